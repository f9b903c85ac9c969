"""Time ranges behave as sets of moments, and grids divide a day."""

from datetime import datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from common.time_ranges import GRID, TimeRange, floor_to, intersect, subtract, union
from tests.support.clocks import NOON

MINUTES = 60
minute_pairs = st.tuples(st.integers(0, MINUTES), st.integers(0, MINUTES))
time_ranges = st.lists(minute_pairs.map(lambda pair: (minute(pair[0]), minute(pair[1]))), max_size=8)


def minute(number: int) -> datetime:
    return NOON + timedelta(minutes=number)


def covered_minutes(ranges: list[TimeRange]) -> set[int]:
    return {n for n in range(MINUTES) if any(start <= minute(n) < end for start, end in ranges)}


def assert_normalized(ranges: list[TimeRange]) -> None:
    """Assert that ranges are sorted, that none is empty, and that none touches the next."""
    assert all(start < end for start, end in ranges)
    assert all(earlier[1] < later[0] for earlier, later in pairwise(ranges))


@given(time_ranges)
def test_union_covers_what_any_range_covers(ranges: list[TimeRange]) -> None:
    assert_normalized(union(ranges))
    assert covered_minutes(union(ranges)) == covered_minutes(ranges)
    assert union(union(ranges)) == union(reversed(ranges)) == union(ranges)


@given(time_ranges, time_ranges)
def test_subtract_removes_the_second_ranges_and_nothing_else(
    ranges: list[TimeRange], removed: list[TimeRange]
) -> None:
    rest = subtract(ranges, removed)
    assert_normalized(rest)
    assert covered_minutes(rest) == covered_minutes(ranges) - covered_minutes(removed)
    assert union([*rest, *intersect(ranges, removed)]) == union(ranges)


@given(time_ranges, time_ranges)
def test_intersect_covers_what_both_cover(ranges: list[TimeRange], others: list[TimeRange]) -> None:
    both = intersect(ranges, others)
    assert_normalized(both)
    assert covered_minutes(both) == covered_minutes(ranges) & covered_minutes(others)
    assert both == intersect(others, ranges)


def test_touching_ranges_do_not_overlap_and_leave_no_gap() -> None:
    first, second = (minute(0), minute(10)), (minute(10), minute(20))
    assert intersect([first], [second]) == []
    assert subtract([first], [second]) == [first]
    assert union([second, first]) == [(minute(0), minute(20))]


@given(st.integers(-(10**9), 10**12), st.sampled_from([GRID, timedelta(hours=1), timedelta(days=1)]))
def test_floor_to_returns_the_last_grid_point(microseconds: int, step: timedelta) -> None:
    moment = NOON + timedelta(microseconds=microseconds)
    floor = floor_to(moment, step)
    assert floor <= moment < floor + step
    assert floor.timestamp() % step.total_seconds() == 0
