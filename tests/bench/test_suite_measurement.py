"""Contenders of the suite run in turn, each in a process of its own."""

from __future__ import annotations

import sys
from functools import partial

import pytest

from bench.suite.measurement import (
    ContenderFailed,
    Contenders,
    Figures,
    check_rows,
    collect,
    interleave,
    measure_process,
    multiples,
    ratios,
)


def _remember(calls: list[str], name: str, seconds: float) -> Figures:
    calls.append(name)
    return {"seconds": seconds, "rows": 5}


def test_each_round_begins_with_another_contender() -> None:
    calls: list[str] = []
    contenders: Contenders = {
        "a": partial(_remember, calls, "a", 1.0),
        "b": partial(_remember, calls, "b", 4.0),
    }
    samples = interleave(contenders, 3, lambda: calls.append("|"))
    assert "".join(calls) == "|ab|ba|ab"
    assert collect(samples, "b") == [4.0, 4.0, 4.0]
    assert ratios(samples, "b", "a") == [4.0, 4.0, 4.0]
    assert multiples(samples, "b") == {"a": 0.25, "b": 1.0}


def test_contender_that_fails_is_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    def fail() -> Figures:
        raise ContenderFailed("no such binary")

    samples = interleave({"a": partial(_remember, [], "a", 1.0), "b": fail}, 2)
    assert list(samples) == ["a"]
    assert capsys.readouterr().err.count("left out: b: no such binary") == 1


def test_contenders_must_store_the_same_rows() -> None:
    samples = {"a": [{"rows": 5.0}], "b": [{"rows": 4.0}]}
    check_rows(samples, ["a", "missing"])
    with pytest.raises(AssertionError):
        check_rows(samples, ["a", "b"])


@pytest.mark.server
def test_process_has_its_own_figures() -> None:
    figures = measure_process([sys.executable, "-c", 'print("{\\"rows\\": 7}")'])
    assert figures["rows"] == 7
    assert 0 < figures["cpu"] < figures["seconds"] + 1
    assert figures["peak_mb"] > 1


@pytest.mark.server
def test_last_line_of_a_process_that_fails_is_the_reason() -> None:
    with pytest.raises(ContenderFailed, match=r"no network$"):
        measure_process([sys.executable, "-c", 'import sys; sys.exit("no network")'])
