"""Text for people: one safe line of foreign text, and the length of a time span."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Final

# Commas that separate the thousands of a number belong to its word.
WORD: Final = re.compile(r"""(?:[^\s,;'"()\[\]{}|=]|(?<=\d),(?=\d))+""")
DIGIT: Final = re.compile(r"\d")
LONGEST_VALUE: Final = 100  # characters; a longer word is no number, no id and no time


def sanitize(text: str, limit: int = 200) -> str:
    """Return `text` on one line, without control or invisible characters, at most `limit` characters long.

    Text from an API may contain escape sequences; sanitized text is safe to log and to print on a terminal.
    """
    line = " ".join("".join(char if char.isprintable() else " " for char in text[: limit * 8]).split())
    return line if len(line) <= limit else shorten(line, limit - 1) + "…"


def shorten(text: str, length: int) -> str:
    """Return the beginning of `text`, at most `length` characters long; a word with a digit is not cut.

    A part of a number, an id or a time would be a wrong number, id or time.
    """
    for word in WORD.finditer(text):
        if word.end() > length:
            is_value = len(word[0]) <= LONGEST_VALUE and DIGIT.search(word[0])
            return text[: min(word.start(), length) if is_value else length].rstrip()
    return text[:length].rstrip()


def escape(text: str) -> str:
    """Return `text` whole and on one line, with escapes for control and invisible characters.

    Text from an API may contain escape sequences; escaped text is safe to print on a terminal.
    """
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in text
    )


def format_duration(length: timedelta) -> str:
    """Return a duration in whole units, such as "90s", "12m", "3h" or "5d", without its sign."""
    seconds = round(abs(length).total_seconds())
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds >= 2 * size or (seconds >= size and seconds % size == 0):
            return f"{seconds // size}{unit}"
    return f"{seconds}s"
