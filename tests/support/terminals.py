"""What a command prints on a terminal of a given width: in this process, or on a real pseudo-terminal."""

from __future__ import annotations

import contextlib
import io
import os
import pty
import re
import subprocess
import unicodedata
from collections.abc import Callable
from typing import NamedTuple
from unittest import mock

from tests.support.snapshots import FLOORLINE, clean_env

GAP = re.compile(r" {2,}")
LEFT_OUT = re.compile(r"(\d+) columns, (\d+) shown; not shown: (.*?); --")


class TerminalStream(io.StringIO):
    """A text stream that says that it is a terminal."""

    def isatty(self) -> bool:
        """Return True."""
        return True


class ShownTable(NamedTuple):
    """A table as a person reads it: what is shown, what is left out, and the line that counts the rows."""

    columns: list[str]
    rows: list[list[str]]
    left_out: list[str]
    counted: str


def printed(width: int | None, action: Callable[[], object]) -> str:
    """Return what `action` prints on a terminal of this width; None: in a pipe."""
    stream = io.StringIO() if width is None else TerminalStream()
    # A shell may export COLUMNS: in a pipe the variable must not matter.
    environment = mock.patch.dict(os.environ, {"COLUMNS": str(width or 20), "TERM": "dumb"})
    with environment, contextlib.redirect_stdout(stream):
        action()
    return stream.getvalue()


def run_on_terminal(width: int, *arguments: str, encoding: str = "utf-8") -> str:
    """Run the installed command on a pseudo-terminal; return what it prints on both streams."""
    reader, terminal = pty.openpty()
    env = clean_env(COLUMNS=str(width), TERM="dumb", PYTHONIOENCODING=encoding)
    output = b""
    with subprocess.Popen(
        [FLOORLINE, *arguments], stdin=subprocess.DEVNULL, stdout=terminal, stderr=terminal, env=env
    ):
        os.close(terminal)
        with contextlib.suppress(OSError):  # the command has closed its side
            while part := os.read(reader, 65536):
                output += part
    os.close(reader)
    return output.decode(encoding).replace("\r\n", "\n")


def read_table(text: str) -> ShownTable:
    """Read a table without empty cells, and without two spaces in a cell."""
    heading, *lines = text.splitlines()
    left_out: list[str] = []
    if found := LEFT_OUT.match(lines[-1]):
        left_out = found[3].split(", ")
        assert (int(found[1]), int(found[2])) == (len(GAP.split(heading.strip())) + len(left_out),
                                                  len(GAP.split(heading.strip())))  # fmt: skip
        lines.pop()
    count = lines.pop()
    return ShownTable(
        GAP.split(heading.strip()), [GAP.split(line.strip()) for line in lines], left_out, count
    )


def cells_of(line: str) -> int:
    """Return the number of cells that a terminal needs for a line."""
    marks = ("Mn", "Me", "Cf")
    wide = ("W", "F")
    return sum(
        0 if unicodedata.category(char) in marks else 1 + (unicodedata.east_asian_width(char) in wide)
        for char in line
    )
