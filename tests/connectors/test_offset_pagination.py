"""A walk ends with the listing, or says why not: in any order, while rows come and go, at mad servers."""

import random
from collections.abc import Callable, Sequence
from typing import Literal

from hypothesis import given, settings
from hypothesis import strategies as st

from common.errors import PaginationError
from connectors.pagination import OffsetPaginator, PageInfo

Change = Literal["insert", "delete"]


class Listing:
    """A server's rows, in pages of `limit`; `told` says whether it tells their total."""

    def __init__(self, rows: int, limit: int, *, told: bool = True) -> None:
        self.rows = list(range(rows))
        self.limit = limit
        self.told = told
        self.requests = 0
        self._next = rows

    def sheet(self, offset: int) -> PageInfo:
        """Answer one request."""
        self.requests += 1
        keys = tuple(self.rows[offset : offset + self.limit])
        total = len(self.rows) if self.told else -1
        has_next = offset + self.limit < len(self.rows)
        return PageInfo(offset, self.limit, total, has_next, keys, str(keys))

    def change(self, change: Change, place: int) -> None:
        """Let a new row appear at a place, or the row there vanish."""
        if change == "insert":
            self.rows.insert(place % (len(self.rows) + 1), self._next)
            self._next += 1
        elif self.rows:
            del self.rows[place % len(self.rows)]


class Collected:
    """What a connector would have landed: the newest rows of each offset."""

    def __init__(self) -> None:
        self.walk = OffsetPaginator("test")
        self.pages: dict[int, Sequence[object]] = {}

    def run(self, answer: Callable[[int], PageInfo], shuffle: random.Random | None = None) -> None:
        """Walk to the end, accepting answers in the order of the offsets or shuffled."""
        while True:
            wanted = list(self.walk.next_offsets())
            while self.walk.emptied:
                self.pages[self.walk.emptied.pop()] = ()
            if not wanted:
                return
            sheets = [answer(offset) for offset in wanted]
            if shuffle:
                shuffle.shuffle(sheets)
            for sheet in sheets:
                self.pages[sheet.offset] = sheet.keys
                self.walk.add_page(sheet)

    @property
    def rows(self) -> set[object]:
        """What is held in the end."""
        return {key for keys in self.pages.values() for key in keys}


@given(st.integers(0, 40), st.integers(1, 7), st.booleans(), st.randoms(use_true_random=False))
def test_a_listing_that_stands_still_is_walked_once(
    rows: int, limit: int, told: bool, shuffle: random.Random
) -> None:
    listing, collected = Listing(rows, limit, told=told), Collected()
    collected.run(listing.sheet, shuffle)
    assert collected.rows == set(listing.rows)
    assert collected.walk.rows == rows
    assert collected.walk.rounds == 0
    assert listing.requests == max(-(-rows // limit), 1)


def test_the_rest_is_wanted_at_once_when_the_total_is_told() -> None:
    listing, walk = Listing(10, 3), OffsetPaginator()
    assert walk.next_offsets() == (0,)
    walk.add_page(listing.sheet(0))
    assert walk.next_offsets() == (3, 6, 9)


def test_page_by_page_when_it_is_not() -> None:
    listing, walk = Listing(7, 3, told=False), OffsetPaginator()
    asked = []
    while wanted := walk.next_offsets():
        asked.append(wanted)
        walk.add_page(listing.sheet(*wanted))
    assert asked == [(0,), (3,), (6,)]


def drifting(
    listing: Listing, changes: dict[int, list[tuple[Change, int]]], shuffle: random.Random | None
) -> set[object] | None:
    """Walk while `changes` happen, each before the request of that number; None if the walk broke."""
    collected = Collected()

    def answer(offset: int) -> PageInfo:
        for change, place in changes.get(listing.requests, []):
            listing.change(change, place)
        return listing.sheet(offset)

    try:
        collected.run(answer, shuffle)
    except PaginationError:
        return None
    return collected.rows


def changes_of(*kinds: Change) -> st.SearchStrategy[dict[int, list[tuple[Change, int]]]]:
    one = st.tuples(st.sampled_from(kinds), st.integers(0, 40))
    return st.dictionaries(st.integers(1, 12), st.lists(one, min_size=1, max_size=3), max_size=4)


@settings(max_examples=400)
@given(st.integers(0, 30), st.integers(2, 7), changes_of("insert"))
def test_rows_that_appear_are_all_there(
    rows: int, limit: int, changes: dict[int, list[tuple[Change, int]]]
) -> None:
    listing = Listing(rows, limit)
    result = drifting(listing, changes, None)
    assert result is None or result == set(listing.rows)


@settings(max_examples=400)
@given(st.integers(0, 30), st.integers(2, 7), changes_of("delete"))
def test_rows_that_vanish_are_gone_and_drag_none_along(
    rows: int, limit: int, changes: dict[int, list[tuple[Change, int]]]
) -> None:
    listing = Listing(rows, limit)
    result = drifting(listing, changes, None)
    assert result is None or result == set(listing.rows)


@settings(max_examples=400)
@given(
    st.sampled_from(["insert", "delete"]),
    st.data(),
    st.integers(0, 30),
    st.integers(2, 7),
    st.randoms(use_true_random=False),
)
def test_answers_that_overtake_each_other_lose_nothing(
    kind: Change, data: st.DataObject, rows: int, limit: int, shuffle: random.Random
) -> None:
    """The result is a listing that the server had at some moment of the walk, never a mixture."""
    listing = Listing(rows, limit)
    had = [set(listing.rows)]
    changes = data.draw(changes_of(kind))
    original = listing.change

    def remembered(change: Change, place: int) -> None:
        original(change, place)
        had.append(set(listing.rows))

    listing.change = remembered  # type: ignore[method-assign]
    result = drifting(listing, changes, shuffle)
    assert result is None or result in had


@settings(max_examples=300)
@given(st.integers(0, 30), st.integers(2, 7), changes_of("insert", "delete"))
def test_a_row_that_stays_is_lost_only_where_counts_cannot_show_it(
    rows: int, limit: int, changes: dict[int, list[tuple[Change, int]]]
) -> None:
    """The blind spot: additions and removals between two requests of one walk."""
    listing = Listing(rows, limit)
    stayed = set(listing.rows)
    result = drifting(listing, changes, None)
    stayed &= set(listing.rows)
    kinds = {change for wave in changes.values() for change, _ in wave}
    if result is not None and len(kinds) < 2:
        assert stayed <= result


@settings(max_examples=200)
@given(st.integers(0, 30), st.integers(2, 7), changes_of("insert"))
def test_rows_that_appear_where_no_total_is_told(
    rows: int, limit: int, changes: dict[int, list[tuple[Change, int]]]
) -> None:
    listing = Listing(rows, limit, told=False)
    stayed = set(listing.rows)
    result = drifting(listing, changes, None)
    assert result is None or stayed <= result
