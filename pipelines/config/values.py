"""The values of a configuration as a user writes them: durations, sizes and paths as text."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from pathlib import PurePath
from typing import Final

from pydantic import ByteSize

UNITS: Final = ((86_400, "d"), (3600, "h"), (60, "m"))
SIZES: Final = ((10**9, "GB"), (10**6, "MB"), (10**3, "kB"))


def write_value(value: object) -> object:
    """Return a validated value in the form of a configuration: text, a number, true or false, or a list."""
    if isinstance(value, timedelta):
        return format_exactly(value)
    if isinstance(value, ByteSize):
        size, unit = next(((size, unit) for size, unit in SIZES if value and value % size == 0), (1, "B"))
        return f"{value // size}{unit}"
    if isinstance(value, Decimal):
        is_exact = Decimal(str(float(value))) == value
        return int(value) if value == int(value) else float(value) if is_exact else f"{value:f}"
    if isinstance(value, PurePath):
        return str(value)
    if isinstance(value, tuple | list):
        return [write_value(entry) for entry in value]
    return value


def format_exactly(length: timedelta) -> str:
    """Return a duration in the largest unit in which it is a whole number, such as "90s" or "36h"."""
    seconds = length.total_seconds()
    size, unit = next(((size, unit) for size, unit in UNITS if seconds and seconds % size == 0), (1, "s"))
    return f"{seconds / size:g}{unit}" if abs(seconds / size) < 1e5 else f"{seconds / size:.0f}{unit}"
