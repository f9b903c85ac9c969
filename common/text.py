"""sanitize (one safe line of foreign text), format_duration."""

from __future__ import annotations

from datetime import timedelta


def sanitize(text: str, limit: int = 200) -> str:
    """`text` on one line, without control or invisible characters, at most `limit` characters long.

    Strings from an API end up in logs and terminals; this is what makes them safe to print.
    """
    line = " ".join("".join(char if char.isprintable() else " " for char in text[: limit * 8]).split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def format_duration(length: timedelta) -> str:
    """A length of time in whole units, as "90s", "12m", "3h" or "5d"; its sign is dropped."""
    seconds = round(abs(length).total_seconds())
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds >= 2 * size or (seconds >= size and seconds % size == 0):
            return f"{seconds // size}{unit}"
    return f"{seconds}s"
