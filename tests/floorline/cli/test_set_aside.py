"""Landings that are set aside: what the commands print and their exit codes. Each case is new."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.json_outputs import read_result
from tests.support.snapshots import Bench, CommandOutput, basket, main_with
from tests.support.warehouse import Quote, land, minute, observe

ADVICE = "`floorline maintain retry` tries it again"


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """Return a warehouse with a damaged landing before a good one; no source is asked."""
    bench = Bench.create(tmp_path, {"cs2cap": "http://127.0.0.1:9"}, basket())
    bench.paths.prepare()
    damaged = land(bench.paths, "bad", observe(minute(0), Quote("1")))
    land(bench.paths, "good", observe(minute(10), Quote("2")))
    _flip(damaged)
    return bench


def _flip(folder: Path) -> None:
    """Flip a bit of a page; a second time mends it."""
    path = folder / "0001.arrow.zst"
    content = bytearray(path.read_bytes())
    content[-50] ^= 1
    path.write_bytes(content)


def run(bench: Bench, *arguments: str, code: int) -> CommandOutput:
    output = main_with(*arguments, "--config", str(bench.config))
    assert output.code == code, output
    return output


@pytest.mark.slow
def test_landing_that_is_set_aside_is_one_line_and_exit_6(bench: Bench) -> None:
    output = run(bench, "maintain", "load", code=6)
    (line,) = output.err.splitlines()
    assert "the landing bad is set aside: 0001.arrow.zst does not match its checksums" in line
    assert line.endswith(ADVICE)
    assert "1 landings loaded" in output.out
    assert "good" in output.out

    assert f"bad: 0001.arrow.zst does not match its checksums: {ADVICE}" in run(bench, "status", code=0).out
    status = read_result(run(bench, "status", "--json", code=0).out)
    assert [landing["run_id"] for landing in status["landings_set_aside"]] == ["bad"]
    assert [alert["cause"] for alert in status["alerts"]] == ["landing.unreadable"]
    assert run(bench, "maintain", "load", code=0).err == ""


@pytest.mark.slow
@pytest.mark.server  # a landing that was set aside is loaded in a process of its own
def test_retry_loads_a_landing_that_was_mended_and_closes_its_alert(bench: Bench) -> None:
    run(bench, "maintain", "load", code=6)
    (line,) = run(bench, "maintain", "retry", "bad", code=6).err.splitlines()
    assert "the landing bad is set aside" in line
    _flip(bench.paths.landing / "bad")
    (load,) = read_result(run(bench, "maintain", "retry", "--json", code=0).out)
    assert (load["run_id"], load["state"], load["rows_fetched"]) == ("bad", "done", 1)
    status = read_result(run(bench, "status", "--json", code=0).out)
    assert (status["landings_set_aside"], status["alerts"]) == ([], [])


def test_retry_of_a_run_that_is_not_set_aside_is_a_wrong_usage(bench: Bench) -> None:
    (line,) = run(bench, "maintain", "retry", "good", code=2).err.splitlines()
    assert "no landing of the run good is set aside" in line


def test_retry_without_a_landing_to_retry_does_nothing(bench: Bench) -> None:
    assert "there was no landing to load" in run(bench, "maintain", "retry", code=0).out
