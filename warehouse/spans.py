"""Spans of time, as sorted lists of disjoint half-open (start, end) pairs in UTC. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

Span = tuple[datetime, datetime]


def union(spans: Iterable[Span]) -> list[Span]:
    """All that lies in any of them; empty ones are dropped, those that touch become one."""
    joined: list[Span] = []
    for start, end in sorted(span for span in spans if span[0] < span[1]):
        if joined and start <= joined[-1][1]:
            joined[-1] = joined[-1][0], max(joined[-1][1], end)
        else:
            joined.append((start, end))
    return joined


def subtract(spans: Iterable[Span], taken: Iterable[Span]) -> list[Span]:
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


def intersect(spans: Iterable[Span], others: Iterable[Span]) -> list[Span]:
    """What lies in both."""
    kept = union(spans)
    return subtract(kept, subtract(kept, others))
