"""Text for people: one safe line of foreign text, and the length of a time span."""

from __future__ import annotations

from datetime import timedelta


def sanitize(text: str, limit: int = 200) -> str:
    """Return `text` on one line, without control or invisible characters, at most `limit` characters long.

    Text from an API may contain escape sequences; sanitized text is safe to log and to print on a terminal.
    """
    line = " ".join("".join(char if char.isprintable() else " " for char in text[: limit * 8]).split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


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
