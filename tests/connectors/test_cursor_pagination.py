"""Cursor pagination returns every row once, always ends, and names both cursors of a broken listing."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import PaginationError, RequestRejected
from connectors.cursor_pagination import (
    MAX_PAGES,
    MAX_PAGES_OF_ONE_TIME,
    CursorPageInfo,
    CursorPaginator,
    shorten_cursor,
)
from tests.support.clocks import NOON

LONG_AGO = NOON - timedelta(days=10_000)


def minutes_ago(age: int) -> datetime:
    """Return the time `age` minutes before noon."""
    return NOON - timedelta(minutes=age)


class Listing:
    """Rows by their age in minutes, in pages of `size`; a cursor is the position of the next row."""

    def __init__(self, ages: list[int], size: int) -> None:
        self.ages = sorted(ages)
        self.size = size

    def request(self, cursor: str | None) -> tuple[CursorPageInfo, list[int]]:
        """Return one page: what pagination needs, and the rows."""
        first = int(cursor or 0)
        rows = self.ages[first : first + self.size]
        next_cursor = str(first + self.size) if first + self.size < len(self.ages) else None
        newest, oldest = (minutes_ago(rows[0]), minutes_ago(rows[-1])) if rows else (None, None)
        has_next = next_cursor is not None
        return CursorPageInfo(next_cursor, has_next, newest, oldest, fingerprint=(first, tuple(rows))), rows


def collect(listing: Listing, paginator: CursorPaginator, pages: int | None = None) -> list[int]:
    """Return the rows of all pages, or of `pages` pages."""
    rows: list[int] = []
    while not paginator.ended and pages != 0:
        page, page_rows = listing.request(paginator.cursor)
        paginator.check(page)
        rows += page_rows
        paginator.advance(page)
        pages = None if pages is None else pages - 1
    return rows


AGES = st.lists(st.integers(0, 50), max_size=60)


@given(AGES, st.integers(1, 7))
def test_every_row_is_returned_once(ages: list[int], size: int) -> None:
    paginator = CursorPaginator("x", LONG_AGO)
    assert collect(Listing(ages, size), paginator) == sorted(ages)
    assert paginator.number == max(-(-len(ages) // size), 1)


@given(AGES, st.integers(1, 7), st.lists(st.integers(0, 4), max_size=20))
def test_resumed_pagination_returns_the_same_rows(
    ages: list[int], size: int, interruptions: list[int]
) -> None:
    listing, paginator, rows = Listing(ages, size), CursorPaginator("x", LONG_AGO), list[int]()
    for pages in interruptions:
        rows += collect(listing, paginator, pages)
        if paginator.ended:
            break
        paginator = CursorPaginator("x", LONG_AGO, paginator.cursor, paginator.number)
    assert [*rows, *collect(listing, paginator)] == sorted(ages)
    assert paginator.number == max(-(-len(ages) // size), 1)


@given(AGES, st.integers(1, 7), st.integers(0, 50))
def test_pages_older_than_needed_are_not_requested(ages: list[int], size: int, since: int) -> None:
    paginator = CursorPaginator("x", minutes_ago(since))
    rows = collect(Listing(ages, size), paginator)
    assert [age for age in rows if age <= since] == [age for age in sorted(ages) if age <= since]
    assert len([age for age in rows if age > since]) <= size
    pages_needed = (len([age for age in ages if age <= since]) // size) + 1
    assert paginator.number <= pages_needed


@st.composite
def broken_servers(draw: st.DrawFn) -> Callable[[str | None], CursorPageInfo]:
    """Draw a server with eight cursors that lead anywhere, and pages of any time."""
    names = st.sampled_from([*"abcdefgh"])
    pages = st.tuples(names | st.none() | st.just(""), st.booleans(), st.integers(0, 3) | st.none())
    page_of_cursor = draw(st.fixed_dictionaries(dict.fromkeys((None, *"abcdefgh"), pages)))

    def request(cursor: str | None) -> CursorPageInfo:
        next_cursor, has_next, age = page_of_cursor[cursor]
        time = None if age is None else minutes_ago(age)
        return CursorPageInfo(next_cursor, has_next, time, time, fingerprint=cursor)

    return request


@given(broken_servers())
def test_pagination_of_a_broken_server_ends(request: Callable[[str | None], CursorPageInfo]) -> None:
    paginator, requested, reached = CursorPaginator("x", LONG_AGO), list[str | None](), NOON
    detail = None
    try:
        while not paginator.ended:
            requested.append(paginator.cursor)
            page = request(paginator.cursor)
            paginator.check(page)
            assert page.newest is None or page.newest <= reached
            reached = page.oldest or reached
            paginator.advance(page)
    except PaginationError as error:
        detail = error.detail
    assert detail is None or shorten_cursor(requested[-1]) in detail
    assert len(requested) == len(set(requested)) <= 9


@given(st.integers(1, 5))
def test_same_page_under_new_cursors_raises(rows: int) -> None:
    paginator = CursorPaginator("x", LONG_AGO)
    time = minutes_ago(rows)
    first, second = (CursorPageInfo(cursor, True, time, time, rows) for cursor in ("a", "b"))
    paginator.check(first)
    paginator.advance(first)
    with pytest.raises(
        PaginationError, match="cursor a, to which the first page led, returned a page that had"
    ):
        paginator.check(second)


def page_info(next_cursor: str | None, age: int = 0, *, has_next: bool = True) -> CursorPageInfo:
    time = minutes_ago(age)
    return CursorPageInfo(next_cursor, has_next, time, time, fingerprint=(next_cursor, age))


def paginate(*pages: CursorPageInfo, cursor: str | None = None) -> CursorPaginator:
    paginator = CursorPaginator("cs2cap", LONG_AGO, cursor)
    for page in pages:
        paginator.check(page)
        paginator.advance(page)
    return paginator


@pytest.mark.parametrize(
    ("pages", "message"),
    [
        ([page_info("a"), page_info("a", 1)], "cursor a led to cursor a, which was requested before"),
        (
            [page_info("a"), page_info("b", 1), page_info("a", 2)],
            "cursor b led to cursor a, which was requested before",
        ),
        (
            [page_info("a", 5), page_info("b", 4)],
            "cursor a, to which the first page led, returned a page that starts",
        ),
        (
            [page_info("a"), page_info(None)],
            "cursor a, to which the first page led, promises another page and",
        ),
        ([page_info("")], "the first page promises another page and names no cursor"),
    ],
    ids=["same cursor", "cycle", "newer rows", "no cursor", "empty cursor"],
)
def test_error_names_both_cursors(pages: list[CursorPageInfo], message: str) -> None:
    with pytest.raises(PaginationError) as caught:
        paginate(*pages)
    assert caught.value.detail.startswith(message)
    assert caught.value.source == "cs2cap"


def test_resumed_pagination_detects_a_cycle_when_it_closes() -> None:
    with pytest.raises(PaginationError, match="cursor c led to cursor b"):
        paginate(page_info("c", 1), page_info("b", 2), cursor="b")


def test_page_without_a_next_one_ends_pagination_even_with_a_cursor() -> None:
    assert paginate(page_info("a", has_next=False)).ended


def test_refused_cursor_is_explained_with_the_apis_message_and_code() -> None:
    error = RequestRejected("invalid cursor format", "cs2cap", "BAD_REQUEST", 400, "r1")
    explained = paginate(page_info("a"), page_info("b", 1)).explain_rejected_cursor(error)
    assert explained.detail == "cursor b, to which cursor a led, was refused: invalid cursor format"
    assert (explained.source, explained.code, explained.status, explained.request_id) == (
        "cs2cap",
        "BAD_REQUEST",
        400,
        "r1",
    )
    assert (
        paginate(cursor="a").explain_rejected_cursor(error).detail
        == "cursor a was refused: invalid cursor format"
    )


def test_shortened_cursor_is_printable_and_shows_both_ends() -> None:
    assert shorten_cursor("a\x1b[31m\nb") == r"cursor a\x1b[31m b"
    assert shorten_cursor("x" * 30 + "y" * 30) == f"cursor {'x' * 24}…{'y' * 12}"


def walk_for_ever(paginator: CursorPaginator, step: timedelta, numbers: list[int]) -> None:
    """Follow pages that each begin `step` before the last one; `numbers` collects those of the pages."""
    while True:
        numbers.append(len(numbers))
        time = NOON - len(numbers) * step
        cursor = f"c{len(numbers)}"
        page = CursorPageInfo(cursor, has_next=True, newest=time, oldest=time, fingerprint=cursor)
        paginator.check(page)
        paginator.advance(page)


@pytest.mark.parametrize(
    ("step", "most"),
    [(timedelta(0), MAX_PAGES_OF_ONE_TIME + 2), (timedelta(microseconds=1), MAX_PAGES + 1)],
    ids=["new: of one time", "new: ever older"],
)
def test_pages_that_promise_more_for_ever_end(step: timedelta, most: int) -> None:
    numbers: list[int] = []
    with pytest.raises(PaginationError, match=r"no older row|no end"):
        walk_for_ever(CursorPaginator("cs2cap", NOON - timedelta(days=1)), step, numbers)
    assert len(numbers) <= most
