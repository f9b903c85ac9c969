"""The walk of a stream: begun once, landed in pieces as it arrives, whole only if it ended as it should."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Final

from connectors.base import Land, Make, Outcome, Page, Piece
from connectors.client import Client
from connectors.cs2cap_lines import Ending, Stream, Typing
from connectors.cs2cap_rows import OFFERS
from connectors.cs2cap_telling import Telling
from connectors.errors import ConfigError, ContractBroken, Transient, WalkBroken, plain
from connectors.paging import Sheet
from connectors.plan import Shard
from connectors.shielded import to_the_end
from connectors.wire import Incoming

# About five megabytes of text either way.
_PIECE: Final = 512 * 2**10
_PLAIN_PIECE: Final = 5 * 2**20

_MakeNext = Callable[[bytes, Ending], tuple[Page | Piece, Sheet]]


class StreamWalk:
    """The one request of a stream shard; its answer has `deadline` seconds."""

    def __init__(self, client: Client, shard: Shard, land: Land, deadline: float) -> None:
        self._client = client
        self._shard = shard
        self._offers = OFFERS[shard.deliveries[0]]
        self._land = land
        self._deadline = deadline
        self._landings: deque[asyncio.Future[Sheet]] = deque()
        self._ended = False
        self._pages = 0
        self._rows = 0

    async def run(self, _have: Sequence[Page]) -> Outcome:
        """Begin the stream and land what comes; pages of an earlier one are another snapshot's.

        Raises WalkBroken where it broke off, or brought less than it said; it is not begun again.
        """
        if self._shard.currency != "USD":
            raise ConfigError(f"a stream is in USD, not in {self._shard.currency}", self._client.source)
        keys = () if self._shard.every_provider else self._shard.providers
        params = [("providers", key) for key in keys]
        async with self._client.stream(self._offers.path, params, self._deadline) as incoming:
            stream = self._described(incoming)
            try:
                await self._read(incoming, stream.encoding, self._reader(stream))
            except Transient as error:
                raise self._broken(error.detail) from None
        if not self._ended:
            raise self._broken("its gzip was cut")
        if self._rows < stream.total:
            raise self._broken(f"it ended, and {stream.total} were promised")
        return Outcome(self._pages, self._rows, 0)

    def _broken(self, why: str) -> WalkBroken:
        about = f"POST {self._offers.path} broke off after {self._rows} rows: {why}"
        return WalkBroken(about, self._client.source)

    def _reader(self, stream: Stream) -> _MakeNext:
        """Have everything passed on as it comes; of a part of it, each row is looked at and kept or not."""
        shard = self._shard
        whole = shard.items is None and shard.every_provider
        return Telling(stream, shard.providers).piece if whole else Typing(stream).page

    def _described(self, incoming: Incoming) -> Stream:
        headers, source = incoming.headers, self._client.source
        currency, total = headers.get("x-snapshot-currency", "USD"), headers.get("x-snapshot-total", "")
        if currency != "USD":
            raise ContractBroken(f"POST {self._offers.path}: in {plain(currency, 20)} instead of USD", source)
        told = _moment(headers.get("x-snapshot-timestamp", ""))
        return Stream(
            source=source,
            offers=self._offers,
            providers=frozenset() if self._shard.every_provider else frozenset(self._shard.providers),
            wanted=self._shard.items,
            encoding=headers.get("content-encoding", ""),
            moment=told or self._client.moment(headers),
            total=int(total) if total.isascii() and total.isdecimal() else -1,
        )

    async def _read(self, incoming: Incoming, encoding: str, make: _MakeNext) -> None:
        """Land the body as it arrives; what has arrived is landed however it ends."""
        size = _PIECE if encoding == "gzip" else _PLAIN_PIECE
        held = bytearray()
        ending: Ending = "torn"
        try:
            while chunk := await incoming.chunk():
                held += chunk
                if len(held) >= size:
                    await self._hand_on(partial(make, bytes(held), "more"))
                    held.clear()
            ending = "whole"
        finally:
            await to_the_end(self._hand_in(partial(make, bytes(held), ending)))

    async def _hand_on(self, make: Make) -> None:
        """Have a piece made while the one before it is landed and the next one arrives."""
        if len(self._landings) > 1:
            await self._landed()
        self._landings.append(asyncio.ensure_future(self._land(make)))

    async def _hand_in(self, make: Make) -> None:
        try:
            await self._hand_on(make)
            while self._landings:
                await self._landed()
        finally:
            await asyncio.gather(*self._landings, return_exceptions=True)

    async def _landed(self) -> None:
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
