"""When an offset listing is complete, which pages are fetched again, and which listings raise."""

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from common.errors import PaginationError
from connectors.pagination import MAX_PAGES, OffsetPaginator, PageInfo


def page_info(offset: int, rows: str, total: int, *, has_next: bool = False, others: int = 0) -> PageInfo:
    """Return a page with a row for each letter; a letter that occurs again is a repeat."""
    keys = tuple(dict.fromkeys(rows))
    return PageInfo(
        offset, 2, total, has_next, keys, fingerprint=rows, others=others, repeats=len(rows) - len(keys)
    )


def walk(*pages: PageInfo) -> OffsetPaginator:
    """Return the paginator that has requested these pages, once each, and no others."""
    paginator, by_offset = OffsetPaginator("cs2cap"), {page.offset: page for page in pages}
    for _ in range(len(pages) + 1):
        for offset in paginator.next_offsets():
            paginator.add_page(by_offset.pop(offset))
    assert not by_offset
    assert paginator.next_offsets() == ()
    return paginator


def test_growth_that_the_rows_account_for_is_complete() -> None:
    paginator = OffsetPaginator()
    paginator.add_page(page_info(0, "ab", 3, has_next=True))
    assert paginator.next_offsets() == (2,)
    paginator.add_page(page_info(2, "cd", 4))
    assert paginator.next_offsets() == ()
    assert (paginator.rows, paginator.rounds) == (4, 0)


def test_row_that_moved_to_a_fetched_page_is_found() -> None:
    """`a` vanished between two requests: there are four rows of four, but `c` is not among them."""
    paginator = OffsetPaginator()
    paginator.add_page(page_info(0, "ab", 5, has_next=True))
    paginator.add_page(page_info(2, "de", 4))
    assert paginator.next_offsets() == (0,)
    paginator.add_page(page_info(0, "bc", 4, has_next=True))
    assert paginator.next_offsets() == ()
    assert (paginator.rows, paginator.rounds) == (4, 1)


def test_only_pages_with_another_total_are_fetched_again() -> None:
    paginator = OffsetPaginator()
    for page in (
        page_info(0, "ab", 5, has_next=True),
        page_info(2, "bc", 6, has_next=True),
        page_info(4, "de", 6),
    ):
        paginator.add_page(page)
    assert paginator.next_offsets() == (0,)


def test_all_pages_are_fetched_again_where_no_total_differs() -> None:
    paginator = OffsetPaginator()
    for page in (page_info(0, "ab", 4, has_next=True), page_info(2, "bc", 4)):
        paginator.add_page(page)
    assert paginator.next_offsets() == (0, 2)


def test_duplicate_rows_of_the_api_are_accepted_after_two_equal_rounds() -> None:
    paginator = OffsetPaginator()
    for _ in range(2):
        assert paginator.next_offsets()
        paginator.add_page(page_info(0, "ab", 4, has_next=True))
        paginator.add_page(page_info(2, "bc", 4))
    assert paginator.next_offsets() == ()
    assert (paginator.rows, paginator.rounds) == (3, 1)


def test_missing_rows_raise_after_three_rounds() -> None:
    paginator = OffsetPaginator("cs2cap")
    for _ in range(4):
        assert paginator.next_offsets()
        paginator.add_page(page_info(0, "ab", 4, has_next=True))
        paginator.add_page(page_info(2, "c", 4))
    with pytest.raises(
        PaginationError, match="3 distinct rows of 3 received, 4 in the last total, after 3 more"
    ):
        paginator.next_offsets()
    assert paginator.rounds == 3


def test_rejects_count_as_rows() -> None:
    paginator = walk(page_info(0, "a", 4, has_next=True, others=1), page_info(2, "", 4, others=2))
    assert (paginator.rows, paginator.rounds) == (4, 0)


@pytest.mark.parametrize("total", [3, 4], ids=["total of distinct rows", "total of all rows"])
def test_repeats_inside_a_page_are_no_missing_rows(total: int) -> None:
    paginator = walk(page_info(0, "aba", total, has_next=True), page_info(2, "c", total))
    assert (paginator.rows, paginator.rounds) == (3, 0)


@pytest.mark.parametrize("total", [3, 6], ids=["total of distinct rows", "total of all rows"])
def test_repeats_beside_rejects_are_no_missing_rows(total: int) -> None:
    first = page_info(0, "aaaa", total, has_next=True, others=2)
    others = (page_info(offset, "", total, has_next=offset + 2 < total) for offset in range(2, total, 2))
    paginator = walk(first, *others)
    assert (paginator.rows, paginator.rounds) == (3, 0)


def test_repeats_across_pages_are_no_missing_rows_where_the_total_counts_distinct_rows() -> None:
    paginator = walk(page_info(0, "ab", 3, has_next=True), page_info(2, "bc", 3))
    assert (paginator.rows, paginator.rounds) == (3, 0)


def test_repeats_inside_and_across_pages_where_the_total_counts_distinct_rows() -> None:
    paginator = walk(page_info(0, "aab", 3, has_next=True), page_info(2, "bc", 3))
    assert (paginator.rows, paginator.rounds) == (3, 0)


@pytest.mark.parametrize("total", [4, 5], ids=["without those inside a page", "with all"])
def test_repeats_across_pages_that_the_total_counts_take_a_second_round(total: int) -> None:
    """One round looks the same as rows that moved to the next page while the first one was fetched."""
    paginator = OffsetPaginator()
    for _ in range(2):
        assert paginator.next_offsets()
        paginator.add_page(page_info(0, "aab", total, has_next=True))
        paginator.add_page(page_info(2, "bc", total))
        if total == 5:
            paginator.add_page(page_info(4, "", total))
    assert paginator.next_offsets() == ()
    assert (paginator.rows, paginator.rounds) == (3, 1)


def test_repeats_do_not_stand_for_rows_that_moved_between_pages() -> None:
    """`x` came first and `d` went: `b` is on both pages, and the repeat of `a` fills the total of four."""
    paginator = OffsetPaginator()
    paginator.add_page(page_info(0, "aab", 4, has_next=True))
    paginator.add_page(page_info(2, "bc", 4))
    assert paginator.next_offsets() == (0, 2)


def test_repeats_do_not_stand_for_rows_behind_the_total() -> None:
    """The first page promises another one, although it has as many rows as the total."""
    paginator = OffsetPaginator()
    paginator.add_page(page_info(0, "aa", 2, has_next=True))
    paginator.add_page(page_info(2, "", 2))
    assert paginator.next_offsets() == (0, 2)


def test_repeats_do_not_stand_for_rows_while_the_total_grows() -> None:
    paginator = OffsetPaginator()
    paginator.add_page(page_info(0, "aa", 3, has_next=True))
    paginator.add_page(page_info(2, "bc", 4))
    assert paginator.next_offsets() == (0,)


def test_page_between_the_total_and_the_last_page_is_fetched() -> None:
    """The total grew after the page at offset 4 was dropped as one beyond the end."""
    paginator = OffsetPaginator()
    pages = (page_info(0, "aa", 4), page_info(2, "bb", 4), page_info(4, "cc", 3), page_info(6, "dd", 4))
    for page in pages:
        paginator.add_page(replace(page, has_next=page.offset < 6))
    assert paginator.next_offsets() == (4,)


def test_repeats_do_not_hide_missing_rows() -> None:
    paginator = OffsetPaginator()
    paginator.add_page(page_info(0, "aab", 4, has_next=True))
    paginator.add_page(page_info(2, "", 4))
    assert paginator.next_offsets() == (0, 2)


def test_has_next_is_followed_past_a_total_of_distinct_rows_while_pages_bring_new_ones() -> None:
    paginator = walk(
        page_info(0, "aa", 4, has_next=True),
        page_info(2, "bb", 4, has_next=True),
        page_info(4, "cc", 4, has_next=True),
        page_info(6, "dd", 4),
    )
    assert (paginator.rows, paginator.rounds) == (4, 0)


@pytest.mark.parametrize("rows", ["", "ab"], ids=["empty", "nothing new"])
def test_page_past_the_total_without_a_new_row_ends_the_walk(rows: str) -> None:
    paginator = OffsetPaginator()
    pages = (page_info(0, "aa", 4), page_info(2, "bb", 4), page_info(4, rows, 4))
    for page in pages:
        paginator.add_page(replace(page, has_next=True))
    with pytest.raises(PaginationError, match="still more pages are promised after offset 4 of 4"):
        paginator.next_offsets()


def test_pages_of_rejects_only_are_no_repeated_page() -> None:
    paginator = walk(page_info(0, "", 4, has_next=True, others=2), page_info(2, "", 4, others=2))
    assert (paginator.rows, paginator.rounds) == (4, 0)


def test_offsets_beyond_a_shrunken_listing_are_emptied() -> None:
    paginator = OffsetPaginator()
    paginator.add_page(page_info(0, "ab", 6, has_next=True))
    paginator.add_page(page_info(4, "ef", 6))
    paginator.add_page(page_info(2, "c", 3))
    assert paginator.next_offsets() == (0,)
    assert paginator.emptied == [4]


def test_same_page_at_two_offsets_raises() -> None:
    paginator = OffsetPaginator("cs2cap")
    paginator.add_page(page_info(0, "ab", 6, has_next=True))
    with pytest.raises(PaginationError, match="offsets 0 and 2 returned the same page") as caught:
        paginator.add_page(page_info(2, "ab", 6, has_next=True))
    assert caught.value.source == "cs2cap"


def test_same_page_at_the_same_offset_is_accepted() -> None:
    paginator = OffsetPaginator()
    paginator.add_page(page_info(0, "ab", 2))
    paginator.add_page(page_info(0, "ab", 2))
    assert paginator.next_offsets() == ()


def test_has_next_is_followed_one_page_past_the_total() -> None:
    paginator = OffsetPaginator()
    paginator.add_page(page_info(0, "ab", 2, has_next=True))
    assert paginator.next_offsets() == (2,)
    paginator.add_page(page_info(2, "", 2))
    assert paginator.next_offsets() == ()


def test_has_next_past_that_page_raises() -> None:
    paginator = OffsetPaginator()
    paginator.add_page(page_info(0, "ab", 2, has_next=True))
    paginator.add_page(page_info(2, "c", 2, has_next=True))
    with pytest.raises(PaginationError, match="still more pages are promised after offset 2 of 2"):
        paginator.next_offsets()


def test_changed_page_size_raises() -> None:
    paginator = OffsetPaginator()
    paginator.add_page(page_info(0, "ab", 4, has_next=True))
    with pytest.raises(PaginationError, match="from 2 to 1"):
        paginator.add_page(replace(page_info(2, "c", 4), limit=1))


@pytest.mark.slow
@pytest.mark.parametrize("total", [-1, 10**9])
def test_listing_without_end_raises(total: int) -> None:
    paginator, requested = OffsetPaginator(), 0

    def fetch_all() -> None:
        nonlocal requested
        while offsets := paginator.next_offsets():
            requested += len(offsets)
            for offset in offsets:
                paginator.add_page(PageInfo(offset, 2, total, True, (offset, offset + 1), str(offset)))

    with pytest.raises(PaginationError, match="no end"):
        fetch_all()
    assert requested <= MAX_PAGES


def walk_for_ever(paginator: OffsetPaginator, total: Callable[[int], int], requested: list[int]) -> None:
    """Give each page rows of its own, and promise another one; `requested` collects the offsets."""
    while offsets := paginator.next_offsets():
        for offset in offsets:
            requested.append(offset)
            keys = [f"{offset + row}" for row in range(100)]
            page = PageInfo(offset, 100, total(offset), has_next=True, keys=keys, fingerprint=str(offset))
            paginator.add_page(page)


@pytest.mark.parametrize(
    ("total", "most"),
    [(lambda _offset: 300, 4), (lambda offset: offset + 200, 26), (lambda _offset: -1, 2_020)],
    ids=["guard: a total", "new: a total that grows with each page", "new: no total"],
)
def test_listing_that_promises_more_for_ever_ends(total: Callable[[int], int], most: int) -> None:
    requested: list[int] = []
    with pytest.raises(PaginationError, match=r"no end|still more"):
        walk_for_ever(OffsetPaginator("cs2cap"), total, requested)
    assert len(requested) <= most
