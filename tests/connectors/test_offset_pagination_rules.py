"""One by one: when a listing is whole, what is walked again, and what breaks the walk."""

from dataclasses import replace
from typing import Literal

import pytest

from common.errors import PaginationError
from connectors.pagination import MAX_PAGES, OffsetPaginator, PageInfo

Change = Literal["insert", "delete"]


def sheet(offset: int, keys: str, total: int, *, has_next: bool = False, others: int = 0) -> PageInfo:
    return PageInfo(offset, 2, total, has_next, tuple(keys), keys, others)


def test_growth_that_the_rows_account_for_is_no_drift() -> None:
    walk = OffsetPaginator()
    walk.add_page(sheet(0, "ab", 3, has_next=True))
    assert walk.next_offsets() == (2,)
    walk.add_page(sheet(2, "cd", 4))
    assert walk.next_offsets() == ()
    assert (walk.rows, walk.rounds) == (4, 0)


def test_a_row_that_slipped_over_a_seam_is_fetched() -> None:
    """`a` vanished between two pages: four rows of four are held, but `c` is not among them."""
    walk = OffsetPaginator()
    walk.add_page(sheet(0, "ab", 5, has_next=True))
    walk.add_page(sheet(2, "de", 4))
    assert walk.next_offsets() == (0,)
    walk.add_page(sheet(0, "bc", 4, has_next=True))
    assert walk.next_offsets() == ()
    assert (walk.rows, walk.rounds) == (4, 1)


def test_only_the_pages_of_another_listing_are_walked_again() -> None:
    walk = OffsetPaginator()
    for page in (sheet(0, "ab", 5, has_next=True), sheet(2, "bc", 6, has_next=True), sheet(4, "de", 6)):
        walk.add_page(page)
    assert walk.next_offsets() == (0,)


def test_all_pages_are_walked_again_where_none_stands_out() -> None:
    walk = OffsetPaginator()
    for page in (sheet(0, "ab", 4, has_next=True), sheet(2, "bc", 4)):
        walk.add_page(page)
    assert walk.next_offsets() == (0, 2)


def test_rows_that_the_api_itself_repeats_are_no_drift_for_ever() -> None:
    walk = OffsetPaginator()
    for _ in range(2):
        assert walk.next_offsets()
        walk.add_page(sheet(0, "ab", 4, has_next=True))
        walk.add_page(sheet(2, "bc", 4))
    assert walk.next_offsets() == ()
    assert (walk.rows, walk.rounds) == (3, 1)


def test_rows_that_never_come_break_the_walk_after_three_rounds() -> None:
    walk = OffsetPaginator("cs2cap")
    for _ in range(4):
        assert walk.next_offsets()
        walk.add_page(sheet(0, "ab", 4, has_next=True))
        walk.add_page(sheet(2, "c", 4))
    with pytest.raises(
        PaginationError, match="3 distinct rows of 3 received, 4 in the last total, after 3 more"
    ):
        walk.next_offsets()
    assert walk.rounds == 3


def test_rejects_and_repeats_inside_a_page_count_as_rows() -> None:
    walk = OffsetPaginator()
    walk.add_page(sheet(0, "a", 4, has_next=True, others=1))
    walk.add_page(sheet(2, "", 4, others=2))
    assert walk.next_offsets() == ()
    assert walk.rows == 4


def test_offsets_beyond_a_listing_that_shrank_are_emptied() -> None:
    walk = OffsetPaginator()
    walk.add_page(sheet(0, "ab", 6, has_next=True))
    walk.add_page(sheet(4, "ef", 6))
    walk.add_page(sheet(2, "c", 3))
    assert walk.next_offsets() == (0,)
    assert walk.emptied == [4]


def test_a_page_at_two_offsets_breaks_the_walk() -> None:
    walk = OffsetPaginator("cs2cap")
    walk.add_page(sheet(0, "ab", 6, has_next=True))
    with pytest.raises(PaginationError, match="offsets 0 and 2 returned the same page") as caught:
        walk.add_page(sheet(2, "ab", 6, has_next=True))
    assert caught.value.source == "cs2cap"


def test_the_same_offset_may_bring_the_same_page_again() -> None:
    walk = OffsetPaginator()
    walk.add_page(sheet(0, "ab", 2))
    walk.add_page(sheet(0, "ab", 2))
    assert walk.next_offsets() == ()


def test_a_promise_is_followed_one_page_past_the_total() -> None:
    walk = OffsetPaginator()
    walk.add_page(sheet(0, "ab", 2, has_next=True))
    assert walk.next_offsets() == (2,)
    walk.add_page(sheet(2, "", 2))
    assert walk.next_offsets() == ()


def test_a_promise_past_that_breaks_the_walk() -> None:
    walk = OffsetPaginator()
    walk.add_page(sheet(0, "ab", 2, has_next=True))
    walk.add_page(sheet(2, "c", 2, has_next=True))
    with pytest.raises(PaginationError, match="still more pages are promised after offset 2 of 2"):
        walk.next_offsets()


def test_a_page_size_that_changes_breaks_the_walk() -> None:
    walk = OffsetPaginator()
    walk.add_page(sheet(0, "ab", 4, has_next=True))
    with pytest.raises(PaginationError, match="from 2 to 1"):
        walk.add_page(replace(sheet(2, "c", 4), limit=1))


@pytest.mark.parametrize("total", [-1, 10**9])
def test_a_listing_without_end_breaks_the_walk(total: int) -> None:
    walk, asked = OffsetPaginator(), 0

    def go_on() -> None:
        nonlocal asked
        while wanted := walk.next_offsets():
            asked += len(wanted)
            for offset in wanted:
                walk.add_page(PageInfo(offset, 2, total, True, (offset, offset + 1), str(offset)))

    with pytest.raises(PaginationError, match="no end"):
        go_on()
    assert asked <= MAX_PAGES
