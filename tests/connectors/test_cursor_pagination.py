"""The rules of cursor paging: every row once, in any case an end, and both cursors named where it breaks."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import PaginationError, RequestRejected
from connectors.pagination import CursorPageInfo, CursorPaginator, shorten_cursor
from tests.support.clocks import NOON

EVER = NOON - timedelta(days=10_000)


def at(age: int) -> datetime:
    """The moment so many minutes before noon."""
    return NOON - timedelta(minutes=age)


class Listing:
    """A server's rows, by their age in minutes, in pages of `size`; a cursor is the next row's place."""

    def __init__(self, ages: list[int], size: int) -> None:
        self.ages = sorted(ages)
        self.size = size

    def leaf(self, cursor: str | None) -> tuple[CursorPageInfo, list[int]]:
        """Answer one request."""
        first = int(cursor or 0)
        rows = self.ages[first : first + self.size]
        following = str(first + self.size) if first + self.size < len(self.ages) else None
        newest, oldest = (at(rows[0]), at(rows[-1])) if rows else (None, None)
        return CursorPageInfo(following, following is not None, newest, oldest, (first, tuple(rows))), rows


def collect(listing: Listing, walk: CursorPaginator, pages: int | None = None) -> list[int]:
    """Walk to the end, or for so many pages."""
    rows: list[int] = []
    while not walk.ended and pages != 0:
        leaf, brought = listing.leaf(walk.cursor)
        walk.check(leaf)
        rows += brought
        walk.advance(leaf)
        pages = None if pages is None else pages - 1
    return rows


AGES = st.lists(st.integers(0, 50), max_size=60)


@given(AGES, st.integers(1, 7))
def test_every_row_comes_once(ages: list[int], size: int) -> None:
    walk = CursorPaginator("x", EVER)
    assert collect(Listing(ages, size), walk) == sorted(ages)
    assert walk.number == max(-(-len(ages) // size), 1)


@given(AGES, st.integers(1, 7), st.lists(st.integers(0, 4), max_size=20))
def test_a_walk_that_is_taken_up_again_and_again_brings_the_same(
    ages: list[int], size: int, kills: list[int]
) -> None:
    listing, walk, rows = Listing(ages, size), CursorPaginator("x", EVER), list[int]()
    for pages in kills:
        rows += collect(listing, walk, pages)
        if walk.ended:
            break
        walk = CursorPaginator("x", EVER, walk.cursor, walk.number)
    assert [*rows, *collect(listing, walk)] == sorted(ages)
    assert walk.number == max(-(-len(ages) // size), 1)


@given(AGES, st.integers(1, 7), st.integers(0, 50))
def test_what_is_too_old_is_not_asked_for(ages: list[int], size: int, since: int) -> None:
    walk = CursorPaginator("x", at(since))
    rows = collect(Listing(ages, size), walk)
    assert [age for age in rows if age <= since] == [age for age in sorted(ages) if age <= since]
    assert len([age for age in rows if age > since]) <= size
    asked = (len([age for age in ages if age <= since]) // size) + 1
    assert walk.number <= asked


@st.composite
def mad(draw: st.DrawFn) -> Callable[[str | None], CursorPageInfo]:
    """A server with eight cursors, which may lead anywhere, with pages of any time."""
    names = st.sampled_from([*"abcdefgh"])
    pages = st.tuples(names | st.none() | st.just(""), st.booleans(), st.integers(0, 3) | st.none())
    leaves = draw(st.fixed_dictionaries(dict.fromkeys((None, *"abcdefgh"), pages)))

    def leaf(cursor: str | None) -> CursorPageInfo:
        following, has_next, age = leaves[cursor]
        moment = None if age is None else at(age)
        return CursorPageInfo(following, has_next, moment, moment, cursor)

    return leaf


@given(mad())
def test_a_mad_server_comes_to_an_end_soon(answer: Callable[[str | None], CursorPageInfo]) -> None:
    walk, asked, reached, told = CursorPaginator("x", EVER), list[str | None](), NOON, None
    try:
        while not walk.ended:
            asked.append(walk.cursor)
            leaf = answer(walk.cursor)
            walk.check(leaf)
            assert leaf.newest is None or leaf.newest <= reached
            reached = leaf.oldest or reached
            walk.advance(leaf)
    except PaginationError as error:
        told = error.detail
    assert told is None or shorten_cursor(asked[-1]) in told
    assert len(asked) == len(set(asked)) <= 9


@given(st.integers(1, 5))
def test_the_same_page_under_ever_new_cursors_breaks_the_walk(rows: int) -> None:
    walk = CursorPaginator("x", EVER)
    moment = at(rows)
    for cursor in ("a", "b"):
        leaf = CursorPageInfo(cursor, True, moment, moment, rows)
        if cursor == "a":
            walk.check(leaf)
            walk.advance(leaf)
    with pytest.raises(
        PaginationError, match="cursor a, to which the first page led, returned a page that had"
    ):
        walk.check(leaf)


def leaf(following: str | None, age: int = 0, *, has_next: bool = True) -> CursorPageInfo:
    return CursorPageInfo(following, has_next, at(age), at(age), (following, age))


def walked(*leaves: CursorPageInfo, cursor: str | None = None) -> CursorPaginator:
    walk = CursorPaginator("cs2cap", EVER, cursor)
    for one in leaves:
        walk.check(one)
        walk.advance(one)
    return walk


@pytest.mark.parametrize(
    ("leaves", "told"),
    [
        ([leaf("a"), leaf("a", 1)], "cursor a led to cursor a, which was requested before"),
        ([leaf("a"), leaf("b", 1), leaf("a", 2)], "cursor b led to cursor a, which was requested before"),
        (
            [leaf("a", 5), leaf("b", 4)],
            "cursor a, to which the first page led, returned a page that starts",
        ),
        ([leaf("a"), leaf(None)], "cursor a, to which the first page led, promises another page and"),
        ([leaf("")], "the first page promises another page and names no cursor"),
    ],
    ids=["repeats", "round", "newer", "nowhere", "empty"],
)
def test_it_names_both_cursors(leaves: list[CursorPageInfo], told: str) -> None:
    with pytest.raises(PaginationError) as caught:
        walked(*leaves)
    assert caught.value.detail.startswith(told)
    assert caught.value.source == "cs2cap"


def test_a_walk_that_went_on_sees_a_round_when_it_closes() -> None:
    with pytest.raises(PaginationError, match="cursor c led to cursor b"):
        walked(leaf("c", 1), leaf("b", 2), cursor="b")


def test_an_end_is_an_end_even_with_a_cursor() -> None:
    assert walked(leaf("a", has_next=False)).ended


def test_a_refused_cursor_is_told_with_the_apis_word_and_code() -> None:
    error = RequestRejected("invalid cursor format", "cs2cap", "BAD_REQUEST", 400, "r1")
    broken = walked(leaf("a"), leaf("b", 1)).explain_rejected_cursor(error)
    assert broken.detail == "cursor b, to which cursor a led, was refused: invalid cursor format"
    assert (broken.source, broken.code, broken.status, broken.request_id) == (
        "cs2cap",
        "BAD_REQUEST",
        400,
        "r1",
    )
    assert (
        walked(cursor="a").explain_rejected_cursor(error).detail
        == "cursor a was refused: invalid cursor format"
    )


def test_a_cursor_is_safe_to_print_and_its_ends_are_shown() -> None:
    assert shorten_cursor("a\x1b[31m\nb") == "cursor a [31m b"
    assert shorten_cursor("x" * 30 + "y" * 30) == f"cursor {'x' * 24}…{'y' * 12}"
