"""A shard ends after the longest time that its requests may take, by the monotonic time."""

from __future__ import annotations

from datetime import timedelta

import pytest

from common.errors import PaginationError
from connectors.shard_deadline import LISTING_PAGES, SLACK, ShardDeadline, longest_time
from tests.support.clocks import VirtualClock

HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    ("requests", "per_minute", "longest"),
    [
        (1, None, SLACK + timedelta(minutes=200)),
        (1, 100, SLACK + timedelta(minutes=40)),
        (5_000, 20, SLACK + timedelta(minutes=1_000)),
        (LISTING_PAGES, 10**12, SLACK),
        (1, 0, SLACK + timedelta(minutes=4_000)),  # a rate that no account has
    ],
)
def test_longest_time_follows_the_rate_limit(
    requests: int, per_minute: int | None, longest: timedelta
) -> None:
    assert abs(longest_time(requests, per_minute) - longest) < timedelta(seconds=1)


def test_deadline_raises_after_the_time() -> None:
    clock = VirtualClock()
    deadline = ShardDeadline(clock, HOUR, "cs2cap")
    clock.time += HOUR.total_seconds()
    deadline.check()
    clock.time += 1
    with pytest.raises(PaginationError, match="it took longer than 1h"):
        deadline.check()
