"""A question that nobody answers, or that is answered with no, ends a command in one line."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator

import pytest

from sandbox.options import Options
from sandbox.server import serve
from tests.support.clocks import NOON
from tests.support.snapshots import Bench, basket, main_with

# Before, the first three ended with "Aborted!".
ANSWERS = {
    "new: the input has ended": ("", 2, "nobody answers on the standard input: use --yes"),
    "new: only blank lines": ("\n\n", 1, "nothing was changed"),
    "new: no": ("n\n", 1, "nothing was changed"),
    "guard: yes": ("y\n", 0, ""),
}


@pytest.fixture(scope="module")
def observed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """Return a project with a snapshot."""
    with serve(Options(items=30, frozen=NOON, refresh=0, limits=False)) as box:
        bench = Bench.at(tmp_path_factory.mktemp("questions"), box, basket())
        bench.snapshot()
        yield bench


@pytest.mark.slow
@pytest.mark.parametrize(("answer", "code", "line"), ANSWERS.values(), ids=ANSWERS)
def test_answers(observed: Bench, monkeypatch: pytest.MonkeyPatch, answer: str, code: int, line: str) -> None:
    before = observed.paths.writer.stat().st_ino
    monkeypatch.setattr(sys, "stdin", io.StringIO(answer))
    output = main_with("maintain", "rebuild", "--config", str(observed.config))
    assert output.code == code, output
    assert "Continue? [y/N]:" in output.err.split("\n")[0]
    assert line in output.err.rstrip("\n").split("\n")[-1]
    assert "Abort" not in output.err
    assert (observed.paths.writer.stat().st_ino == before) == (code != 0)
