"""The longest time that one shard may take: pages that come for ever, however slowly, end."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from common.clock import Clock
from common.errors import PaginationError
from common.text import format_duration

# Twice the pages of the largest catalog: a listing says how long it is only with its first page.
LISTING_PAGES: Final = 1_000
# The lowest of all tiers (requests per minute).
LOWEST_RATE: Final = 20
# The requests of a minute may be shared by so many shards, sources and processes with one key.
SHARE: Final = 4
# For retries, outages, and answers that take as long as they may.
SLACK: Final = timedelta(hours=1)


def longest_time(requests: int, per_minute: int | None) -> timedelta:
    """Return how long a shard may take that needs `requests`, at least those of a long listing.

    `per_minute` is the rate limit of the key, None where it is unknown.
    """
    rate = max(LOWEST_RATE if per_minute is None else per_minute, 1)
    return SLACK + timedelta(minutes=SHARE * max(requests, LISTING_PAGES) / rate)


class ShardDeadline:
    """The end of a shard's time by the monotonic time of `clock`, which no change of the date moves."""

    def __init__(self, clock: Clock, longest: timedelta, source: str) -> None:
        self._clock = clock
        self._longest = longest
        self._source = source
        self._end = clock.monotonic() + longest.total_seconds()

    def check(self) -> None:
        """Raise PaginationError once the time is over. Call it after each page: what came is kept."""
        if self._clock.monotonic() > self._end:
            raise PaginationError(f"it took longer than {format_duration(self._longest)}", self._source)
