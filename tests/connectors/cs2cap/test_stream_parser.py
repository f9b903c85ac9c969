"""A stream gives the same rows wherever it is cut into chunks; rows that do not fit are rejected alone."""

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
from connectors.http.auth import Key
from connectors.pages import TypedPage
from connectors.schemas import QUOTES
from sandbox.cs2cap.keys import VALID_KEY
from tests.support.clocks import NOON
from tests.support.stream_rows import UNUSUAL_FIELDS, stream_line


def stream_info(encoding: str = "") -> StreamInfo:
    return StreamInfo(
        source="cs2cap",
        side=ASKS,
        providers=frozenset(),
        selection=None,
        encoding=encoding,
        observed_at=NOON,
        total=-1,
        mask=Key(VALID_KEY).mask,
    )


def parse_chunks(
    chunks: Sequence[bytes], encoding: str = "", end: StreamEnd = "complete"
) -> tuple[list[TypedPage], bool]:
    """Return the pages of a body in these chunks, and whether the parser expects more."""
    parser = TypedStreamParser(stream_info(encoding))
    parsed = [parser.feed(chunk, "open") for chunk in chunks]
    parsed.append(parser.feed(b"", end))
    return [page for page, _ in parsed], parsed[-1][1].has_next


def rows_of(pages: Sequence[TypedPage]) -> pl.DataFrame:
    return pl.concat([QUOTES.to_frame(), *(page.rows for page in pages)])


@pytest.mark.slow
@given(data=st.data(), count=st.integers(0, 30), compressed=st.booleans(), last_newline=st.booleans())
def test_cuts_between_chunks_make_no_difference(
    data: st.DataObject, count: int, compressed: bool, last_newline: bool
) -> None:
    text = b"".join(stream_line(item_id=number) for number in range(count))
    text = text if last_newline else text.removesuffix(b"\n")
    body = gzip.compress(text, mtime=0) if compressed else text
    cuts = sorted(data.draw(st.lists(st.integers(0, len(body)), max_size=6)))
    chunks = [body[start:end] for start, end in zip([0, *cuts], [*cuts, len(body)], strict=True)]
    pages, has_next = parse_chunks(chunks, "gzip" if compressed else "")
    assert rows_of(pages)["item_id"].to_list() == [str(number) for number in range(count)]
    assert not has_next
    filled = [page for page in pages if page.rows.height]
    offsets = [sum(page.rows.height for page in filled[:index]) for index in range(len(filled))]
    assert [page.offset for page in filled] == offsets


@given(size=st.integers(0, 400))
def test_broken_body_gives_its_complete_lines_and_no_reject(size: int) -> None:
    text = stream_line(item_id=1) + stream_line(item_id=2)
    pages, has_next = parse_chunks([text[:size]], end="broken")
    assert rows_of(pages).height == text[:size].count(b"\n")
    assert not any(page.rejects for page in pages)
    assert has_next


@given(size=st.integers(1, 200))
def test_truncated_gzip_expects_more(size: int) -> None:
    body = gzip.compress(stream_line() * 50, mtime=0)
    assert parse_chunks([body[: min(size, len(body) - 1)]], "gzip")[1]
    assert not parse_chunks([body], "gzip")[1]


def test_body_may_consist_of_several_gzip_members() -> None:
    pages, has_next = parse_chunks(
        [gzip.compress(stream_line()) + gzip.compress(stream_line(item_id=2))], "gzip"
    )
    assert rows_of(pages).height == 2
    assert not has_next


@pytest.mark.parametrize("side", [ASKS, BIDS], ids=lambda side: side.delivery)
@pytest.mark.parametrize(
    "fields", UNUSUAL_FIELDS, ids=lambda fields: ",".join(f"{k}={v!r}"[:40] for k, v in fields.items())
)
def test_rows_parsed_at_once_or_individually_are_equal(side: BookSide, fields: dict[str, Any]) -> None:
    text = stream_line(side) + stream_line(side, **{"item_id": 2, **fields}) + stream_line(side, item_id=3)
    at_once, individually = (
        parse_ndjson(text, side, ""),
        parse_rows_individually(text.splitlines(), side, ""),
    )
    assert_frame_equal(at_once.rows, individually.rows)
    assert at_once.rejects == individually.rejects
    assert at_once.unknown_fields == individually.unknown_fields
    assert at_once.received == 3


@pytest.mark.parametrize(
    "invalid",
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
def test_line_that_is_not_a_row_is_rejected_alone(invalid: bytes) -> None:
    parsed = parse_ndjson(stream_line() + invalid + b"\n" + stream_line(item_id=2), ASKS, "")
    assert parsed.rows["item_id"].to_list() == ["1", "2"]
    assert [reject.raw for reject in parsed.rejects] == (
        [invalid.decode(errors="replace")] if invalid else []
    )


def test_decompression_bomb_and_endless_line_are_errors() -> None:
    compressor = zlib.compressobj(wbits=31)
    bomb = b"".join(compressor.compress(bytes(2**24)) for _ in range(12)) + compressor.flush()
    with pytest.raises(UnexpectedResponse, match="a line is longer"):
        parse_chunks([bomb], "gzip")
    with pytest.raises(UnexpectedResponse, match="a line is longer"):
        parse_chunks([b"x" * 2**21])


def test_invalid_gzip_is_a_lost_connection() -> None:
    with pytest.raises(ConnectionLost, match="broken"):
        parse_chunks([stream_line()], "gzip")
    with pytest.raises(UnexpectedResponse, match="'br'"):
        parse_chunks([stream_line()], "br")
