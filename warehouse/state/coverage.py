"""Which spans of which series are held already: what the shards of all backfills brought."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from common.time_ranges import GRID, INTERVALS, Interval, TimeRange, floor_to, union

# A sale is told up to a day late; twice that is the window that every read of sales goes back by.
SALES_LAG: Final = timedelta(hours=48)
# An item by its id and a provider by its key; None is all of them.
Scope = tuple[str | None, str | None]


def stable_until(series: str, interval: Interval | None, observed_at: datetime) -> datetime:
    """Up to when (exclusive, UTC) a series could change no more when it was read at this server's moment.

    `series` is points, candles or sales; `interval` is of candles: 5m, 1h or 1d.
    """
    if series == "sales":
        return observed_at - SALES_LAG
    return floor_to(observed_at, GRID if interval is None else INTERVALS[interval])


def unread_end(end: datetime, oldest: datetime | None) -> datetime:
    """Where the part of a window lies that a walk from its end has not read yet (exclusive, UTC).

    `oldest` is the time of the oldest row that landed. Others may share it: its slot is read again.
    """
    return end if oldest is None else min(end, floor_to(oldest, GRID) + GRID)


@dataclass(frozen=True, slots=True)
class Coverage:
    """The spans of one series (one source, currency and interval) that are held, by item and provider."""

    held: Mapping[Scope, list[TimeRange]] = field(default_factory=dict)

    @classmethod
    def from_spans(cls, held: Iterable[tuple[Scope, TimeRange]]) -> Coverage:
        """From single spans, in any order."""
        gathered: dict[Scope, list[TimeRange]] = {}
        for scope, span in held:
            gathered.setdefault(scope, []).append(span)
        return cls({scope: union(spans) for scope, spans in gathered.items()})

    def spans_of(self, item_id: str | None, provider: str | None) -> list[TimeRange]:
        """What is held of an item (None: of everything) at a provider (None: at all of them).

        What was read of everything, or at all providers, holds each of them.
        """
        scopes = {(item, key) for item in (item_id, None) for key in (provider, None)}
        return union(span for scope in scopes for span in self.held.get(scope, ()))
