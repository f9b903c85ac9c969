"""Parse a streamed NDJSON body chunk by chunk, into typed pages or raw chunks of complete lines."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Final, Literal

from msgspec import Struct

from common.errors import UnexpectedResponse
from common.shards import Item
from connectors.cs2cap.contract import BookSide, Row
from connectors.cs2cap.parser import parse_ndjson
from connectors.cs2cap.query import RequestedScope
from connectors.cs2cap.raw_page import decode_exact_rows
from connectors.cs2cap.typed_page import filter_items
from connectors.http.auth import KeyMask
from connectors.http.compression import Decompressor
from connectors.http.encoded_body import BYTE_ORDER_MARK
from connectors.pages import RawChunk, TypedPage
from connectors.pagination import PageInfo

# The state of the body after a chunk: more follows, it ended as it should, or reading it failed.
StreamEnd = Literal["open", "complete", "broken"]
_MAX_LINE_BYTES: Final = 2**20
# The most that a chunk may hold: about six times its usual content.
_MAX_CHUNK_BYTES: Final = 32 * 2**20


class StreamInfo(Struct, frozen=True):
    """One stream of `side`: what was requested, and what the response's headers say.

    `total` is -1 where no header gives it; `mask` hides the key in the rows. Only rows of the items in
    `selection` are kept; None keeps all.
    """

    source: str
    side: BookSide
    providers: frozenset[str]
    selection: tuple[Item, ...] | None
    encoding: str
    observed_at: datetime
    total: int
    mask: KeyMask


class _StreamParser:
    """Decompresses a body and splits it into lines; keeps an incomplete line until the next chunk."""

    def __init__(self, stream: StreamInfo) -> None:
        self._stream = stream
        self._decompressor = Decompressor(stream.encoding, stream.side.stream_route, stream.source)
        self._incomplete = b""
        self._begun = False
        self._rows = 0

    def _read_lines(self, chunk: bytes, end: StreamEnd) -> Iterator[bytes]:
        """Yield the lines that `chunk` completes, several at a time, each with its line break.

        The last line of a complete body may lack a line break. Raises UnexpectedResponse for a line that is
        too long, and ConnectionLost for a chunk that cannot be decompressed.
        """
        for text in self._decompressor.feed(chunk, _MAX_CHUNK_BYTES):
            lines = self._incomplete + text
            if not self._begun:
                self._begun, lines = bool(lines), lines.removeprefix(BYTE_ORDER_MARK)
            cut = lines.rfind(b"\n") + 1
            self._incomplete = lines[cut:]
            if len(self._incomplete) > _MAX_LINE_BYTES:
                detail = f"{self._stream.side.stream_route}: a line is longer than {_MAX_LINE_BYTES} bytes"
                raise UnexpectedResponse(detail, self._stream.source)
            if cut:
                yield self._stream.mask(lines[:cut])
        if end == "complete" and self._decompressor.at_end and self._incomplete:
            last, self._incomplete = self._incomplete, b""
            yield self._stream.mask(last) + b"\n"

    def _next_page_info(self, rows: int, end: StreamEnd) -> PageInfo:
        """Count the rows of a chunk, dropped ones included; `has_next` until the body has ended."""
        offset, self._rows = self._rows, self._rows + rows
        has_next = end != "complete" or not self._decompressor.at_end
        return PageInfo(offset, max(rows, 1), self._stream.total, has_next=has_next, others=rows)


class TypedStreamParser(_StreamParser):
    """Parses each chunk into a typed page."""

    def feed(self, chunk: bytes, end: StreamEnd) -> tuple[TypedPage, PageInfo]:
        """Return the page of the lines that `chunk` completes; raises UnexpectedResponse, ConnectionLost."""
        stream = self._stream
        lines, scope = b"".join(self._read_lines(chunk, end)), RequestedScope(stream.providers)
        parsed = parse_ndjson(lines, stream.side, stream.source, scope)
        info = self._next_page_info(parsed.received, end)
        page = TypedPage(
            request=0,
            offset=info.offset,
            total=-1,  # a stream cannot be continued from an offset
            observed_at=stream.observed_at,
            rows=filter_items(parsed.rows, stream.selection),
            rejects=parsed.rejects,
            unknown_fields=parsed.unknown_fields,
            fingerprint="",
        )
        return page, info


class RawStreamParser(_StreamParser):
    """Keeps each chunk as lines, and notes which of the given `providers` appear in them."""

    def __init__(self, stream: StreamInfo, providers: Iterable[str]) -> None:
        super().__init__(stream)
        self._unseen = {provider: f'"{provider}"'.encode() for provider in providers}

    def feed(self, chunk: bytes, end: StreamEnd) -> tuple[RawChunk, PageInfo]:
        """Return the lines that `chunk` completes; raises UnexpectedResponse, ConnectionLost."""
        parts: list[bytes] = []
        count, exact, seen = 0, True, set[str]()
        for lines in self._read_lines(chunk, end):
            parts.append(lines)
            rows = decode_exact_rows(lines, self._stream.side)
            exact = exact and rows is not None
            count += lines.count(b"\n") if rows is None else len(rows)
            if self._unseen:
                seen |= self._find_unseen(lines, rows)
        for provider in seen:
            del self._unseen[provider]
        info = self._next_page_info(count, end)
        raw_chunk = RawChunk(
            parts=tuple(parts),
            wire_names=self._stream.side.wire_names,
            observed_at=self._stream.observed_at,
            total=self._stream.total,
            offset=info.offset,
            count=count,
            exact=exact,
            providers=frozenset(seen),
        )
        return raw_chunk, info

    def _find_unseen(self, lines: bytes, rows: Sequence[Row] | None) -> set[str]:
        """Return which providers, not seen before this chunk, appear in its lines; `rows` if all are exact.

        To search the text for a provider that the stream lacks takes longer than to parse it.
        """
        if rows is None:
            return {provider for provider, quoted in self._unseen.items() if quoted in lines}
        return self._unseen.keys() & {row.provider for row in rows}
