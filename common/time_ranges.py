"""Spans of time, as sorted lists of disjoint half-open (start, end) pairs in UTC. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta


def floor_to(moment: datetime, step: timedelta) -> datetime:
    """Return the last place at or before `moment` (UTC) on the grid of `step`, which divides a day."""
    midnight = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight + (moment - midnight) // step * step


def ceil_to(moment: datetime, step: timedelta) -> datetime:
    """Return the first place at or after `moment` (UTC) on the grid of `step`, which divides a day."""
    floor = floor_to(moment, step)
    return floor if floor == moment else floor + step


TimeRange = tuple[datetime, datetime]


def union(spans: Iterable[TimeRange]) -> list[TimeRange]:
    """All that lies in any of them; empty ones are dropped, those that touch become one."""
    joined: list[TimeRange] = []
    for start, end in sorted(span for span in spans if span[0] < span[1]):
        if joined and start <= joined[-1][1]:
            joined[-1] = joined[-1][0], max(joined[-1][1], end)
        else:
            joined.append((start, end))
    return joined


def subtract(spans: Iterable[TimeRange], taken: Iterable[TimeRange]) -> list[TimeRange]:
    """What of `spans` lies in none of `taken`."""
    gone, left = union(taken), []
    for start, end in union(spans):
        begin = start
        for first, last in gone:
            if begin < last and first < end:
                left.append((begin, first))
                begin = last
        left.append((begin, end))
    return union(left)


def intersect(spans: Iterable[TimeRange], others: Iterable[TimeRange]) -> list[TimeRange]:
    """What lies in both."""
    kept = union(spans)
    return subtract(kept, subtract(kept, others))
