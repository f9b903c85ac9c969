"""Which time ranges of a series are covered, and from where an interrupted extraction continues."""

from datetime import datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from common.time_ranges import GRID, union
from tests.support.clocks import NOON
from warehouse.state.coverage import Coverage, unread_end

MINUTES = 60
minute_pairs = st.tuples(st.integers(0, MINUTES), st.integers(0, MINUTES))
keys = st.sampled_from([None, "1", "2"])


def minute(number: int) -> datetime:
    return NOON + timedelta(minutes=number)


@given(st.integers(0, 3600))
def test_resumed_extraction_reads_the_grid_cell_of_its_oldest_row_again(seconds: int) -> None:
    end, oldest = minute(MINUTES), NOON + timedelta(seconds=seconds)
    until = unread_end(end, oldest)
    assert until <= end
    assert oldest < until or oldest == end
    assert until - oldest <= GRID
    assert unread_end(end, None) == end


@given(st.lists(st.tuples(st.tuples(keys, keys), minute_pairs), max_size=8), keys, keys)
def test_read_of_all_items_or_providers_covers_each_of_them(
    reads: list[tuple[tuple[str | None, str | None], tuple[int, int]]], item: str | None, provider: str | None
) -> None:
    scoped = [(scope, (minute(start), minute(end))) for scope, (start, end) in reads]
    expected = [
        time_range
        for (read_item, read_provider), time_range in scoped
        if read_item in {item, None} and read_provider in {provider, None}
    ]
    assert Coverage.from_spans(scoped).spans_of(item, provider) == union(expected)
