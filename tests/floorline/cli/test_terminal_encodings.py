"""Terminals of other encodings than UTF-8: escapes for the characters that they lack, and no traceback."""

from __future__ import annotations

import os
import pty
import sys
import tty
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from floorline.streams import prepare_streams
from sandbox.options import Options
from sandbox.server import serve
from tests.support.snapshots import Bench, basket
from tests.support.terminals import run_on_terminal

COMMANDS = (("snapshot",), ("doctor",), ("config", "show"), ("query", "SELECT '★ é' AS item"), ("-h",))


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    with serve(Options(items=30, frozen=datetime.now(UTC), limits=False)) as box:
        yield Bench.at(tmp_path_factory.mktemp("★ project é"), box, basket())


@pytest.mark.slow
@pytest.mark.parametrize("encoding", ["ascii", "shift_jis"])
def test_every_command_shows_its_output(bench: Bench, encoding: str) -> None:
    for command in COMMANDS:
        named = () if command == ("-h",) else ("--config", str(bench.config))
        shown = run_on_terminal(80, *named, *command, encoding=encoding)
        assert shown.strip()
        assert "Traceback" not in shown
        assert "floorline: " not in shown, shown


@given(
    text=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=200),
    encoding=st.sampled_from(["ascii", "latin-1", "cp1252", "cp437", "koi8-r", "shift_jis", "utf-8"]),
)
def test_any_text_comes_out_with_escapes_for_what_is_missing(text: str, encoding: str) -> None:
    shown = print_on_terminal(text, encoding)
    assert shown == text.encode(encoding, "backslashreplace")


def print_on_terminal(text: str, encoding: str) -> bytes:
    """Return what a terminal of this encoding gets of a text that is printed on stdout."""
    reader, terminal = pty.openpty()
    tty.setraw(terminal)  # else the terminal changes line breaks
    with pytest.MonkeyPatch.context() as patch, os.fdopen(terminal, "w", encoding=encoding) as stream:
        patch.setattr("sys.stdout", stream)
        patch.setattr("sys.stderr", stream)
        prepare_streams()
        sys.stdout.write(text)
        sys.stdout.flush()
        sys.stdout.write("\0")  # the end, which no text has
        sys.stdout.flush()
        shown = b""
        while not shown.endswith(b"\0"):
            shown += os.read(reader, 4096)
    os.close(reader)
    return shown[:-1]
