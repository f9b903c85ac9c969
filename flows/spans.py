"""How long something took or will take, in the unit that a person would choose."""

from __future__ import annotations

from datetime import timedelta


def span(length: timedelta) -> str:
    """A length of time in whole units, as "90s", "12m", "3h" or "5d"; its sign is dropped."""
    seconds = round(abs(length).total_seconds())
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds >= 2 * size or (seconds >= size and seconds % size == 0):
            return f"{seconds // size}{unit}"
    return f"{seconds}s"
