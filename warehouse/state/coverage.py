"""The covered time ranges of a series: those that backfills have fetched completely."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from common.time_ranges import GRID, INTERVALS, Interval, TimeRange, floor_to, union

# The API lists a sale up to a day late. Every read of sales overlaps the last one by twice that time.
SALES_LAG: Final = timedelta(hours=48)
# The series that the API answers with one response a window, without pages.
ANSWERED_AT_ONCE: Final = frozenset({"candles", "daily"})
# (item_id, provider); None stands for all items or all providers.
Scope = tuple[str | None, str | None]


def stable_until(series: str, interval: Interval | None, observed_at: datetime) -> datetime:
    """Return the time (exclusive, UTC) before which rows that were read at `observed_at` change no more.

    `series` is points, candles, sales or daily; `interval` is that of candles.
    """
    if series == "sales":
        return observed_at - SALES_LAG
    if series == "daily":
        return floor_to(observed_at, INTERVALS["1d"])
    return floor_to(observed_at, GRID if interval is None else INTERVALS[interval])


def unread_end(end: datetime, oldest: datetime | None) -> datetime:
    """Return the end (exclusive, UTC) of the unread rest of a window that is read from its end backwards.

    `oldest` is the time of the oldest landed row. Its grid slot is read again, because a slot can hold rows
    of both pages.
    """
    return end if oldest is None else min(end, floor_to(oldest, GRID) + GRID)


@dataclass(frozen=True, slots=True)
class Coverage:
    """The covered time ranges of one series (of one source, currency and interval) by scope."""

    by_scope: Mapping[Scope, list[TimeRange]] = field(default_factory=dict)

    @classmethod
    def from_spans(cls, spans: Iterable[tuple[Scope, TimeRange]]) -> Coverage:
        """Return the union of single time ranges, given in any order."""
        gathered: dict[Scope, list[TimeRange]] = {}
        for scope, span in spans:
            gathered.setdefault(scope, []).append(span)
        return cls({scope: union(scope_spans) for scope, scope_spans in gathered.items()})

    def spans_of(self, item_id: str | None, provider: str | None) -> list[TimeRange]:
        """Return the covered time ranges of an item (None: all items) at a provider (None: all providers).

        A read of all items or of all providers covers each single one.
        """
        scopes = {(item, key) for item in (item_id, None) for key in (provider, None)}
        return union(span for scope in scopes for span in self.by_scope.get(scope, ()))
