"""Extract a stream: one request whose body is landed in chunks while it arrives."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

from common.concurrency import run_to_completion
from common.errors import ConfigError, PaginationError, TransientError, UnexpectedResponse
from common.numbers import parse_count, parse_moment
from common.text import sanitize
from connectors.base import ExtractResult
from connectors.cs2cap.contract import BOOK_SIDES
from connectors.cs2cap.query import named_providers
from connectors.cs2cap.stream_parser import RawStreamParser, StreamEnd, StreamInfo, TypedStreamParser
from connectors.http.client import Client
from connectors.http.compression import content_codings
from connectors.http.transport import StreamingResponse
from connectors.pages import PageBuilder, PageSink, RawChunk, TypedPage
from connectors.pagination import PageInfo
from connectors.shards import Shard

# Either is about two and a half megabytes of text.
_GZIP_CHUNK: Final = 256 * 2**10
_PLAIN_CHUNK: Final = 5 * 2**19
# Of a stream that does not say how many rows it has: eight times the whole index.
MAX_ROWS: Final = 5_000_000
# A stream may have some more rows than it says: the index moves.
ROWS_SLACK: Final = 100_000
_ParseChunk = Callable[[bytes, StreamEnd], tuple[TypedPage | RawChunk, PageInfo]]


class StreamExtraction:
    """The one request of a stream shard, which may take `deadline` seconds."""

    def __init__(self, client: Client, shard: Shard, sink: PageSink, *, deadline: float) -> None:
        self._client = client
        self._shard = shard
        self._side = BOOK_SIDES[shard.deliveries[0]]
        self._sink = sink
        self._deadline = deadline
        self._landings: deque[asyncio.Future[PageInfo]] = deque()
        self._ended = False
        self._pages = 0
        self._rows = 0
        self._most_rows = MAX_ROWS

    async def run(self, _resume_pages: Sequence[TypedPage]) -> ExtractResult:
        """Open the stream and land its rows; pages of an earlier stream are of another snapshot.

        Raises PaginationError where the stream breaks or holds fewer rows than its header says; the request
        is not sent again. Raises ConfigError for another currency than USD.
        """
        if self._shard.currency != "USD":
            raise ConfigError(f"a stream is in USD, not in {self._shard.currency}", self._client.source)
        params = [("providers", provider) for provider in named_providers(self._shard)]
        async with self._client.stream(self._side.path, params, self._deadline) as response:
            stream = self._read_headers(response)
            self._most_rows = MAX_ROWS if stream.total < 0 else 2 * stream.total + ROWS_SLACK
            try:
                await self._read_body(response, stream.encoding, self._parser(stream))
            except TransientError as error:
                raise self._broken(error.detail) from None
        if not self._ended:
            raise self._broken("its compressed data is truncated")
        if self._rows < stream.total:
            raise self._broken(f"it ended, but its header announced {stream.total} rows")
        return ExtractResult(self._pages, self._rows, rounds=0)

    def _broken(self, reason: str) -> PaginationError:
        detail = f"{self._side.stream_route} broke off after {self._rows} rows: {reason}"
        return PaginationError(detail, self._client.source)

    def _parser(self, stream: StreamInfo) -> _ParseChunk:
        """Keep a complete index as raw chunks; of a part of it, parse the rows to drop the other items."""
        if self._shard.items is None and self._shard.every_provider:
            return RawStreamParser(stream, self._shard.providers).feed
        return TypedStreamParser(stream).feed

    def _read_headers(self, response: StreamingResponse) -> StreamInfo:
        headers, source = response.headers, self._client.source
        currency = headers.get("x-snapshot-currency", "USD")
        total = parse_count(headers.get("x-snapshot-total", ""))
        if currency != "USD":
            raise UnexpectedResponse(
                f"{self._side.stream_route}: the stream is in {sanitize(currency, 20)} instead of USD", source
            )
        snapshot_at = parse_moment(headers.get("x-snapshot-timestamp", ""))
        if snapshot_at is not None and self._client.source_clock.is_ahead(snapshot_at):
            snapshot_at = None
        return StreamInfo(
            source=source,
            side=self._side,
            providers=frozenset(named_providers(self._shard)),
            selection=self._shard.items,
            encoding=headers.get("content-encoding", ""),
            observed_at=snapshot_at or self._client.source_clock.read(headers),
            total=-1 if total is None else total,
            mask=self._client.mask,
        )

    async def _read_body(self, response: StreamingResponse, encoding: str, parse: _ParseChunk) -> None:
        """Land the body while it arrives; what has arrived is landed even if reading fails."""
        size = _GZIP_CHUNK if content_codings(encoding) else _PLAIN_CHUNK
        buffer = bytearray()
        end: StreamEnd = "broken"
        try:
            while received := await response.read_chunk():
                buffer += received
                if len(buffer) >= size:
                    await self._enqueue(partial(parse, bytes(buffer), "open"))
                    buffer.clear()
            end = "complete"
        finally:
            # Even if the extraction is cancelled: the stream start is spent.
            await run_to_completion(self._submit_last(partial(parse, bytes(buffer), end)))

    async def _enqueue(self, build: PageBuilder) -> None:
        """Start to land a chunk; at most two are in progress while the next one arrives."""
        if len(self._landings) > 1:
            await self._drain_oldest()
        self._landings.append(asyncio.ensure_future(self._sink(build)))

    async def _submit_last(self, build: PageBuilder) -> None:
        try:
            await self._enqueue(build)
            while self._landings:
                await self._drain_oldest()
        finally:  # after a failed landing, the next one must not outlive the extraction
            await asyncio.gather(*self._landings, return_exceptions=True)

    async def _drain_oldest(self) -> None:
        """Wait for the oldest chunk that is being landed, and count its rows."""
        # cancelling the extraction must not cancel the landing
        info = await asyncio.shield(self._landings[0])
        self._landings.popleft()
        self._pages += 1
        self._rows += info.others
        self._ended = not info.has_next
        if self._rows > self._most_rows:
            raise self._broken("it goes on without end")
