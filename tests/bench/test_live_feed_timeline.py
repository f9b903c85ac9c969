"""The timelines that the script about live feeds compares."""

from __future__ import annotations

from datetime import timedelta

from bench.live_feed.timeline import TOLERANCE, Change, Timeline, find_invented
from tests.support.clocks import NOON

KEY = ("steam", "1")
SECOND = timedelta(seconds=1)


def test_last_state_of_a_time_counts() -> None:
    timeline = Timeline(
        [Change(NOON, KEY, (5, 1)), Change(NOON + SECOND, KEY, None), Change(NOON + SECOND, KEY, (6, 1))]
    )
    states = [timeline.state_at(KEY, NOON + seconds * SECOND) for seconds in (-1, 0, 1, 2)]
    assert states == [None, (5, 1), (6, 1), (6, 1)]


def test_state_that_no_market_listed_around_its_time_is_invented() -> None:
    market = Timeline([Change(NOON, KEY, (5, 1)), Change(NOON + 3 * TOLERANCE, KEY, (6, 1))])
    right = [Change(NOON + SECOND, KEY, (5, 1)), Change(NOON + 2.5 * TOLERANCE, KEY, (6, 1))]
    wrong = [Change(NOON + TOLERANCE, KEY, (6, 1)), Change(NOON + 5 * TOLERANCE, KEY, (5, 1))]
    assert find_invented(Timeline([*right, *wrong]), market) == wrong
