"""The walk of a stream: begun once, landed in pieces as it arrives, whole only if it ended as it should."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Final

from common.concurrency import run_to_completion
from common.errors import ConfigError, PaginationError, TransientError, UnexpectedResponse
from common.text import sanitize
from connectors.base import ExtractResult
from connectors.cs2cap.contract import BOOK_SIDES
from connectors.cs2cap.stream_parser import RawStreamParser, StreamEnd, StreamInfo, TypedStreamParser
from connectors.http.client import Client
from connectors.http.transport import StreamingResponse
from connectors.pages import PageBuilder, PageSink, RawChunk, TypedPage
from connectors.pagination import PageInfo
from connectors.shards import Shard

# About five megabytes of text either way.
_PIECE: Final = 512 * 2**10
_PLAIN_PIECE: Final = 5 * 2**20
_MakeNext = Callable[[bytes, StreamEnd], tuple[TypedPage | RawChunk, PageInfo]]


class StreamExtraction:
    """The one request of a stream shard; its answer has `deadline` seconds."""

    def __init__(self, client: Client, shard: Shard, land: PageSink, deadline: float) -> None:
        self._client = client
        self._shard = shard
        self._offers = BOOK_SIDES[shard.deliveries[0]]
        self._land = land
        self._deadline = deadline
        self._landings: deque[asyncio.Future[PageInfo]] = deque()
        self._ended = False
        self._pages = 0
        self._rows = 0

    async def run(self, _have: Sequence[TypedPage]) -> ExtractResult:
        """Begin the stream and land what comes; pages of an earlier one are another snapshot's.

        Raises WalkBroken where it broke off, or brought less than it said; it is not begun again.
        """
        if self._shard.currency != "USD":
            raise ConfigError(f"a stream is in USD, not in {self._shard.currency}", self._client.source)
        keys = () if self._shard.every_provider else self._shard.providers
        params = [("providers", key) for key in keys]
        async with self._client.stream(self._offers.path, params, self._deadline) as incoming:
            stream = self._read_headers(incoming)
            try:
                await self._read(incoming, stream.encoding, self._reader(stream))
            except TransientError as error:
                raise self._broken(error.detail) from None
        if not self._ended:
            raise self._broken("its gzip was cut")
        if self._rows < stream.total:
            raise self._broken(f"it ended, and {stream.total} were promised")
        return ExtractResult(self._pages, self._rows, 0)

    def _broken(self, why: str) -> PaginationError:
        about = f"POST {self._offers.path} broke off after {self._rows} rows: {why}"
        return PaginationError(about, self._client.source)

    def _reader(self, stream: StreamInfo) -> _MakeNext:
        """Have everything passed on as it comes; of a part of it, each row is looked at and kept or not."""
        shard = self._shard
        whole = shard.items is None and shard.every_provider
        return RawStreamParser(stream, shard.providers).feed if whole else TypedStreamParser(stream).feed

    def _read_headers(self, incoming: StreamingResponse) -> StreamInfo:
        headers, source = incoming.headers, self._client.source
        currency, total = headers.get("x-snapshot-currency", "USD"), headers.get("x-snapshot-total", "")
        if currency != "USD":
            raise UnexpectedResponse(
                f"POST {self._offers.path}: in {sanitize(currency, 20)} instead of USD", source
            )
        told = _moment(headers.get("x-snapshot-timestamp", ""))
        return StreamInfo(
            source=source,
            offers=self._offers,
            providers=frozenset() if self._shard.every_provider else frozenset(self._shard.providers),
            wanted=self._shard.items,
            encoding=headers.get("content-encoding", ""),
            moment=told or self._client.server_time(headers),
            total=int(total) if total.isascii() and total.isdecimal() else -1,
        )

    async def _read(self, incoming: StreamingResponse, encoding: str, make: _MakeNext) -> None:
        """Land the body as it arrives; what has arrived is landed however it ends."""
        size = _PIECE if encoding == "gzip" else _PLAIN_PIECE
        held = bytearray()
        ending: StreamEnd = "torn"
        try:
            while chunk := await incoming.read_chunk():
                held += chunk
                if len(held) >= size:
                    await self._enqueue(partial(make, bytes(held), "more"))
                    held.clear()
            ending = "whole"
        finally:
            await run_to_completion(self._submit(partial(make, bytes(held), ending)))

    async def _enqueue(self, make: PageBuilder) -> None:
        """Have a piece made while the one before it is landed and the next one arrives."""
        if len(self._landings) > 1:
            await self._drain_oldest()
        self._landings.append(asyncio.ensure_future(self._land(make)))

    async def _submit(self, make: PageBuilder) -> None:
        try:
            await self._enqueue(make)
            while self._landings:
                await self._drain_oldest()
        finally:
            await asyncio.gather(*self._landings, return_exceptions=True)

    async def _drain_oldest(self) -> None:
        """Wait for the oldest piece that is being landed, and count its rows."""
        sheet = await asyncio.shield(self._landings[0])  # a cancelled walk still wants it landed
        self._landings.popleft()
        self._pages += 1
        self._rows += sheet.others
        self._ended = not sheet.has_next


def _moment(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment.astimezone(UTC) if moment.tzinfo else None
