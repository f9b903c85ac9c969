"""The text of a stream, cut anywhere: its rows are the same, and what does not fit is told row by row."""

import gzip
import zlib
from collections.abc import Sequence
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from common.errors import ConnectionLost, UnexpectedResponse
from connectors.cs2cap.contract import ASKS, BIDS, BookSide
from connectors.cs2cap.parser import parse_ndjson, parse_rows_individually
from connectors.cs2cap.stream_parser import StreamEnd, StreamInfo, TypedStreamParser
from connectors.pages import TypedPage
from connectors.schemas import QUOTES
from tests.support.clocks import NOON
from tests.support.stream_rows import UNUSUAL_FIELDS, stream_line


def stream(encoding: str = "", offers: BookSide = ASKS) -> StreamInfo:
    return StreamInfo("cs2cap", offers, frozenset(), None, encoding, NOON, -1)


def read(
    pieces: Sequence[bytes], encoding: str = "", last: StreamEnd = "complete"
) -> tuple[list[TypedPage], bool]:
    """The pages of a body that comes in these pieces, and whether more is to come."""
    typing = TypedStreamParser(stream(encoding))
    made = [typing.feed(piece, "open") for piece in pieces]
    made.append(typing.feed(b"", last))
    return [page for page, _ in made], made[-1][1].has_next


def rows_of(pages: Sequence[TypedPage]) -> pl.DataFrame:
    return pl.concat([QUOTES.to_frame(), *(page.rows for page in pages)])


@given(data=st.data(), count=st.integers(0, 30), packed=st.booleans(), ends=st.booleans())
def test_where_it_is_cut_makes_no_difference(
    data: st.DataObject, count: int, packed: bool, ends: bool
) -> None:
    text = b"".join(stream_line(item_id=number) for number in range(count))
    text = text if ends else text.removesuffix(b"\n")
    body = gzip.compress(text, mtime=0) if packed else text
    cuts = sorted(data.draw(st.lists(st.integers(0, len(body)), max_size=6)))
    pieces = [body[start:end] for start, end in zip([0, *cuts], [*cuts, len(body)], strict=True)]
    pages, more = read(pieces, "gzip" if packed else "")
    assert rows_of(pages)["item_id"].to_list() == [str(number) for number in range(count)]
    assert not more
    held = [page for page in pages if page.rows.height]
    offsets = [sum(page.rows.height for page in held[:place]) for place in range(len(held))]
    assert [page.offset for page in held] == offsets


@given(kept=st.integers(0, 400))
def test_a_torn_body_gives_its_whole_lines_and_no_reject(kept: int) -> None:
    text = stream_line(item_id=1) + stream_line(item_id=2)
    pages, more = read([text[:kept]], last="broken")
    assert rows_of(pages).height == text[:kept].count(b"\n")
    assert not any(page.rejects for page in pages)
    assert more


@given(kept=st.integers(1, 200))
def test_a_gzip_that_was_cut_has_more_to_come(kept: int) -> None:
    body = gzip.compress(stream_line() * 50, mtime=0)
    assert read([body[: min(kept, len(body) - 1)]], "gzip")[1]
    assert not read([body], "gzip")[1]


def test_gzip_may_come_as_several_one_after_another() -> None:
    pages, more = read([gzip.compress(stream_line()) + gzip.compress(stream_line(item_id=2))], "gzip")
    assert rows_of(pages).height == 2
    assert not more


@pytest.mark.parametrize("offers", [ASKS, BIDS], ids=lambda offers: offers.delivery)
@pytest.mark.parametrize(
    "odd", UNUSUAL_FIELDS, ids=lambda odd: ",".join(f"{k}={v!r}"[:40] for k, v in odd.items())
)
def test_all_at_once_or_line_by_line_the_rows_are_the_same(offers: BookSide, odd: dict[str, Any]) -> None:
    text = stream_line(offers) + stream_line(offers, **{"item_id": 2, **odd}) + stream_line(offers, item_id=3)
    at_once, one_by_one = (
        parse_ndjson(text, offers, ""),
        parse_rows_individually(text.splitlines(), offers, ""),
    )
    assert_frame_equal(at_once.rows, one_by_one.rows)
    assert at_once.rejects == one_by_one.rejects
    assert at_once.unknown_fields == one_by_one.unknown_fields
    assert at_once.rows.height + at_once.surplus + len(at_once.rejects) == 3


@pytest.mark.parametrize(
    "bad",
    [
        b"",
        b"{}",
        b"null",
        b"[1]",
        b'{"provider": "st',
        b"\xff\xfe",
        stream_line()[:-2].replace(b"steam", b"\xff"),
    ],
)
def test_a_line_that_is_no_row_is_rejected_alone(bad: bytes) -> None:
    rows = parse_ndjson(stream_line() + bad + b"\n" + stream_line(item_id=2), ASKS, "")
    assert rows.rows["item_id"].to_list() == ["1", "2"]
    assert [reject.raw for reject in rows.rejects] == ([bad.decode(errors="replace")] if bad else [])


def test_a_bomb_and_a_line_without_end_are_refused() -> None:
    pack = zlib.compressobj(wbits=31)
    bomb = b"".join(pack.compress(bytes(2**24)) for _ in range(12)) + pack.flush()
    with pytest.raises(UnexpectedResponse, match="without end"):
        read([bomb], "gzip")
    with pytest.raises(UnexpectedResponse, match="a line without end"):
        read([b"x" * 2**21])


def test_what_is_no_gzip_is_a_broken_connection() -> None:
    with pytest.raises(ConnectionLost, match="broken"):
        read([stream_line()], "gzip")
    with pytest.raises(UnexpectedResponse, match="'br'"):
        read([stream_line()], "br")
