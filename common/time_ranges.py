"""Time ranges as sorted lists of disjoint half-open (start, end) pairs in UTC, and time grids. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Final, Literal

TimeRange = tuple[datetime, datetime]
Interval = Literal["5m", "1h", "1d"]
# The grid of the API's history series.
GRID: Final = timedelta(minutes=5)
# The lengths of candles.
INTERVALS: Final[Mapping[Interval, timedelta]] = {
    "5m": timedelta(minutes=5),
    "1h": timedelta(hours=1),
    "1d": timedelta(days=1),
}


def floor_to(time: datetime, step: timedelta) -> datetime:
    """Return the last grid point at or before `time` (UTC); `step` divides a day."""
    midnight = time.replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight + (time - midnight) // step * step


def ceil_to(time: datetime, step: timedelta) -> datetime:
    """Return the first grid point at or after `time` (UTC); `step` divides a day."""
    floor = floor_to(time, step)
    return floor if floor == time else floor + step


def union(ranges: Iterable[TimeRange]) -> list[TimeRange]:
    """Return the time covered by any of `ranges`: empty ranges are dropped, touching ranges are merged."""
    merged: list[TimeRange] = []
    for start, end in sorted(each for each in ranges if each[0] < each[1]):
        if merged and start <= merged[-1][1]:
            merged[-1] = merged[-1][0], max(merged[-1][1], end)
        else:
            merged.append((start, end))
    return merged


def subtract(ranges: Iterable[TimeRange], removed: Iterable[TimeRange]) -> list[TimeRange]:
    """Return the time covered by `ranges` and by none of `removed`."""
    removed, rest = union(removed), []
    for start, end in union(ranges):
        begin = start
        for first, last in removed:
            if begin < last and first < end:
                rest.append((begin, first))
                begin = last
        rest.append((begin, end))
    return union(rest)


def intersect(ranges: Iterable[TimeRange], others: Iterable[TimeRange]) -> list[TimeRange]:
    """Return the time covered by both `ranges` and `others`."""
    covered = union(ranges)
    return subtract(covered, subtract(covered, others))
