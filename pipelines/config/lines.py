"""The line of a configuration in which a key is. TOML's parser in Python does not tell."""

from __future__ import annotations

import contextlib
import itertools
import re
import tomllib
from collections.abc import Sequence
from typing import Any, Final

# The first line of a table or of a key with its value.
STATEMENT: Final = re.compile(r"""\s*(\[|("[^"]*"|'[^']*'|[\w.\- ])+=)""")


def find_line(text: str, location: Sequence[str | int]) -> int | None:
    """Return the line, from 1, at which the statement of a key or its nearest table begins.

    `text` is valid TOML, `location` the keys that lead to the place: names, and numbers of entries. None
    where not even the first key is in the file.
    """
    lines = text.splitlines(keepends=True)
    starts = [number for number, line in enumerate(lines) if STATEMENT.match(line)]
    for length in range(len(location), 0, -1):
        if (line := _first_line(lines, starts, location[:length])) is not None:
            return line
    return None


def _first_line(lines: Sequence[str], starts: Sequence[int], location: Sequence[str | int]) -> int | None:
    """Return the line of the statement after which a place is there."""
    begin = None
    for start, end in itertools.pairwise([*starts, len(lines)]):
        begin = start if begin is None else begin
        with contextlib.suppress(tomllib.TOMLDecodeError):  # it is the middle of a value
            if contains(tomllib.loads("".join(lines[:end])), location):
                return begin + 1
            begin = None
    return None


def contains(value: Any, location: Sequence[str | int]) -> bool:  # noqa: ANN401 - of TOML
    """Return whether a place is in a value of TOML."""
    for key in location:
        entries = dict(enumerate(value)) if isinstance(value, list) else value
        if not isinstance(entries, dict) or key not in entries:
            return False
        value = entries[key]
    return True
