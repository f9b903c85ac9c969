"""Offset pagination returns the listing or an error: in any order, also while rows appear and vanish."""

import random
from collections.abc import Callable, Sequence
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.errors import PaginationError
from connectors.pagination import OffsetPaginator, PageInfo

Change = Literal["insert", "delete"]


class Listing:
    """A server's rows, in pages of `limit`, with or without their total, which may count repeated rows."""

    def __init__(self, rows: int, limit: int, *, with_total: bool = True) -> None:
        self.rows = list(range(rows))
        self.limit = limit
        self.with_total = with_total
        self.counts_repeats = True
        self.requests = 0
        self._next = rows

    def request(self, offset: int) -> PageInfo:
        """Return one page."""
        self.requests += 1
        rows = self.rows[offset : offset + self.limit]
        keys = tuple(dict.fromkeys(rows))
        total = len(self.rows) if self.counts_repeats else len(set(self.rows))
        return PageInfo(
            offset,
            self.limit,
            total=total if self.with_total else -1,
            has_next=offset + self.limit < len(self.rows),
            keys=keys,
            fingerprint=str(rows),
            repeats=len(rows) - len(keys),
        )

    def repeat(self, position: int) -> None:
        """List a row twice, the second time behind the first."""
        if self.rows:
            self.rows.insert(position % len(self.rows), self.rows[position % len(self.rows)])

    def change(self, change: Change, position: int) -> None:
        """Insert a new row at a position, or delete the row there, with its repeats."""
        if change == "insert":
            self.rows.insert(position % (len(self.rows) + 1), self._next)
            self._next += 1
        elif self.rows:
            deleted = self.rows[position % len(self.rows)]
            self.rows = [row for row in self.rows if row != deleted]


class Extraction:
    """The pages that a connector would land: the newest rows of each offset."""

    def __init__(self) -> None:
        self.paginator = OffsetPaginator("test")
        self.pages: dict[int, Sequence[object]] = {}

    def run(self, request: Callable[[int], PageInfo], rng: random.Random | None = None) -> None:
        """Fetch all pages; add them in the order of the offsets, or shuffled by `rng`."""
        while True:
            offsets = list(self.paginator.next_offsets())
            while self.paginator.emptied:
                self.pages[self.paginator.emptied.pop()] = ()
            if not offsets:
                return
            pages = [request(offset) for offset in offsets]
            if rng:
                rng.shuffle(pages)
            for page in pages:
                self.pages[page.offset] = page.keys
                self.paginator.add_page(page)

    @property
    def rows(self) -> set[object]:
        """The rows of all landed pages."""
        return {key for keys in self.pages.values() for key in keys}


@given(st.integers(0, 40), st.integers(1, 7), st.booleans(), st.randoms(use_true_random=False))
def test_stable_listing_is_fetched_once(rows: int, limit: int, with_total: bool, rng: random.Random) -> None:
    listing, extraction = Listing(rows, limit, with_total=with_total), Extraction()
    extraction.run(listing.request, rng)
    assert extraction.rows == set(listing.rows)
    assert extraction.paginator.rows == rows
    assert extraction.paginator.rounds == 0
    assert listing.requests == max(-(-rows // limit), 1)


def test_with_a_total_the_rest_is_fetched_concurrently() -> None:
    listing, paginator = Listing(10, 3), OffsetPaginator()
    assert paginator.next_offsets() == (0,)
    paginator.add_page(listing.request(0))
    assert paginator.next_offsets() == (3, 6, 9)


def test_without_a_total_pages_are_fetched_one_by_one() -> None:
    listing, paginator = Listing(7, 3, with_total=False), OffsetPaginator()
    requested = []
    while offsets := paginator.next_offsets():
        requested.append(offsets)
        paginator.add_page(listing.request(*offsets))
    assert requested == [(0,), (3,), (6,)]


@given(st.integers(1, 30), st.integers(1, 7), st.lists(st.integers(0, 30), max_size=6), st.booleans())
def test_stable_listing_with_repeated_rows_is_complete(
    rows: int, limit: int, repeats: list[int], counts_repeats: bool
) -> None:
    """Repeats cost a second round only where they are on two pages and the total counts them."""
    listing, extraction = Listing(rows, limit), Extraction()
    listing.counts_repeats = counts_repeats
    for position in repeats:
        listing.repeat(position)
    pages = [set(listing.rows[start : start + limit]) for start in range(0, len(listing.rows), limit)]
    on_two_pages = sum(map(len, pages)) > rows
    nothing_new = any(page <= set().union(*pages[:number]) for number, page in enumerate(pages))
    try:
        extraction.run(listing.request)
    except PaginationError:  # such a page looks like one of a listing without end
        assert nothing_new
        return
    rounds = int(on_two_pages and counts_repeats)
    assert extraction.rows == set(listing.rows)
    assert (extraction.paginator.rows, extraction.paginator.rounds) == (rows, rounds)
    assert listing.requests == len(pages) * (1 + rounds)


def extract_during(
    listing: Listing, changes: dict[int, list[tuple[Change, int]]], rng: random.Random | None
) -> set[object] | None:
    """Extract while `changes` happen, each before the request of that number; None for a PaginationError."""
    extraction = Extraction()

    def request(offset: int) -> PageInfo:
        for change, position in changes.get(listing.requests, []):
            listing.change(change, position)
        return listing.request(offset)

    try:
        extraction.run(request, rng)
    except PaginationError:
        return None
    return extraction.rows


def extract_and_record(
    listing: Listing, changes: dict[int, list[tuple[Change, int]]], rng: random.Random | None
) -> tuple[set[object] | None, list[set[int]]]:
    """Extract as `extract_during` does; return also the sets of rows that the listing had meanwhile."""
    states, original = [set(listing.rows)], listing.change

    def change_and_record(change: Change, position: int) -> None:
        original(change, position)
        states.append(set(listing.rows))

    listing.change = change_and_record  # type: ignore[method-assign]
    return extract_during(listing, changes, rng), states


def draw_changes(*kinds: Change) -> st.SearchStrategy[dict[int, list[tuple[Change, int]]]]:
    change = st.tuples(st.sampled_from(kinds), st.integers(0, 40))
    return st.dictionaries(st.integers(1, 12), st.lists(change, min_size=1, max_size=3), max_size=4)


@settings(max_examples=400)
@given(st.integers(0, 30), st.integers(2, 7), draw_changes("insert"))
def test_inserted_rows_are_all_returned(
    rows: int, limit: int, changes: dict[int, list[tuple[Change, int]]]
) -> None:
    listing = Listing(rows, limit)
    result = extract_during(listing, changes, None)
    assert result is None or result == set(listing.rows)


@settings(max_examples=400)
@given(st.integers(0, 30), st.integers(2, 7), draw_changes("delete"))
def test_deleted_rows_are_absent_and_all_others_are_returned(
    rows: int, limit: int, changes: dict[int, list[tuple[Change, int]]]
) -> None:
    listing = Listing(rows, limit)
    result = extract_during(listing, changes, None)
    assert result is None or result == set(listing.rows)


@pytest.mark.slow
@settings(max_examples=400)
@given(
    st.sampled_from(["insert", "delete"]),
    st.data(),
    st.integers(0, 30),
    st.integers(2, 7),
    st.randoms(use_true_random=False),
)
def test_responses_out_of_order_lose_no_row(
    kind: Change, data: st.DataObject, rows: int, limit: int, rng: random.Random
) -> None:
    """The result is a listing that the server had at some time of the extraction, never a mixture."""
    result, states = extract_and_record(Listing(rows, limit), data.draw(draw_changes(kind)), rng)
    assert result is None or result in states


@pytest.mark.slow
@settings(max_examples=400)
@given(
    st.sampled_from(["insert", "delete"]),
    st.data(),
    st.integers(1, 20),
    st.integers(2, 6),
    st.lists(st.integers(0, 25), max_size=4),
    st.booleans(),
)
def test_repeated_rows_hide_no_change(
    kind: Change, data: st.DataObject, rows: int, limit: int, repeats: list[int], counts_repeats: bool
) -> None:
    listing = Listing(rows, limit)
    listing.counts_repeats = counts_repeats
    for position in repeats:
        listing.repeat(position)
    result, states = extract_and_record(listing, data.draw(draw_changes(kind)), None)
    assert result is None or result in states


@settings(max_examples=300)
@given(st.integers(0, 30), st.integers(2, 7), draw_changes("insert", "delete"))
def test_stable_row_is_lost_only_where_counts_cannot_show_it(
    rows: int, limit: int, changes: dict[int, list[tuple[Change, int]]]
) -> None:
    """The undetectable case: insertions and deletions between two requests of one extraction."""
    listing = Listing(rows, limit)
    stable = set(listing.rows)
    result = extract_during(listing, changes, None)
    stable &= set(listing.rows)
    kinds = {change for batch in changes.values() for change, _ in batch}
    if result is not None and len(kinds) < 2:
        assert stable <= result


@settings(max_examples=200)
@given(st.integers(0, 30), st.integers(2, 7), draw_changes("insert"))
def test_inserted_rows_without_a_total_lose_no_stable_row(
    rows: int, limit: int, changes: dict[int, list[tuple[Change, int]]]
) -> None:
    listing = Listing(rows, limit, with_total=False)
    stable = set(listing.rows)
    result = extract_during(listing, changes, None)
    assert result is None or stable <= result
