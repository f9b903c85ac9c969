"""Spans behave as the sets of moments that they stand for."""

from datetime import datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from common.time_ranges import GRID, TimeRange, floor_to, intersect, subtract, union
from tests.support.clocks import NOON
from warehouse.state.coverage import Coverage, unread_end

MINUTES = 60
bounds = st.tuples(st.integers(0, MINUTES), st.integers(0, MINUTES))
some = st.lists(bounds.map(lambda pair: (minute(pair[0]), minute(pair[1]))), max_size=8)


def minute(number: int) -> datetime:
    return NOON + timedelta(minutes=number)


def held(spans: list[TimeRange]) -> set[int]:
    """The minutes that lie in any of these half-open spans."""
    return {n for n in range(MINUTES) if any(start <= minute(n) < end for start, end in spans)}


def assert_proper(spans: list[TimeRange]) -> None:
    """They are in order, none is empty, and none touches the next."""
    assert all(start < end for start, end in spans)
    assert all(earlier[1] < later[0] for earlier, later in pairwise(spans))


@given(some)
def test_a_union_holds_what_any_span_holds(spans: list[TimeRange]) -> None:
    assert_proper(union(spans))
    assert held(union(spans)) == held(spans)
    assert union(union(spans)) == union(reversed(spans)) == union(spans)


@given(some, some)
def test_what_is_subtracted_is_gone_and_the_rest_stays(
    spans: list[TimeRange], taken: list[TimeRange]
) -> None:
    left = subtract(spans, taken)
    assert_proper(left)
    assert held(left) == held(spans) - held(taken)
    assert union([*left, *intersect(spans, taken)]) == union(spans)


@given(some, some)
def test_an_intersection_holds_what_both_hold(spans: list[TimeRange], others: list[TimeRange]) -> None:
    both = intersect(spans, others)
    assert_proper(both)
    assert held(both) == held(spans) & held(others)
    assert both == intersect(others, spans)


def test_spans_that_touch_share_no_moment_and_leave_none_between() -> None:
    first, second = (minute(0), minute(10)), (minute(10), minute(20))
    assert intersect([first], [second]) == []
    assert subtract([first], [second]) == [first]
    assert union([second, first]) == [(minute(0), minute(20))]


@given(st.integers(-(10**9), 10**12), st.sampled_from([GRID, timedelta(hours=1), timedelta(days=1)]))
def test_a_moment_is_floored_to_its_grid(microseconds: int, step: timedelta) -> None:
    moment = NOON + timedelta(microseconds=microseconds)
    floor = floor_to(moment, step)
    assert floor <= moment < floor + step
    assert floor.timestamp() % step.total_seconds() == 0


@given(st.integers(0, 3600))
def test_a_walk_taken_up_reads_the_slot_of_its_oldest_row_again(seconds: int) -> None:
    end, oldest = minute(MINUTES), NOON + timedelta(seconds=seconds)
    until = unread_end(end, oldest)
    assert until <= end
    assert oldest < until or oldest == end
    assert until - oldest <= GRID
    assert unread_end(end, None) == end


keys = st.sampled_from([None, "1", "2"])


@given(st.lists(st.tuples(st.tuples(keys, keys), bounds), max_size=8), keys, keys)
def test_what_was_read_of_everything_holds_each_item_and_provider(
    read: list[tuple[tuple[str | None, str | None], tuple[int, int]]], item: str | None, provider: str | None
) -> None:
    scoped = [(scope, (minute(start), minute(end))) for scope, (start, end) in read]
    mine = [
        span
        for (read_item, read_provider), span in scoped
        if read_item in {item, None} and read_provider in {provider, None}
    ]
    assert Coverage.from_spans(scoped).spans_of(item, provider) == union(mine)
