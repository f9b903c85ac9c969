"""The feeds of CS2Cap: one connection that tells each change of asks, or of bids, as it is seen."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Final, Literal

import msgspec
import polars as pl
from msgspec import Raw, Struct

from common.clock import Clock
from common.errors import ConfigError, UnexpectedResponse
from common.shards import Item
from common.text import sanitize
from connectors.cs2cap.contract import (
    AwareDatetime,
    BookSide,
    Count,
    Int64,
    MinorUnits,
    NonEmptyStr,
    to_utc,
)
from connectors.decoding import PageDecoder, RowDecoder, decode_response
from connectors.http.client import Client
from connectors.http.event_stream import EventStream
from connectors.pages import Reject
from connectors.schemas import MONEY, QUOTES

if TYPE_CHECKING:
    from httpx_sse import ServerSentEvent

# What one feed may name; without any, it tells of everything.
MAX_ITEMS: Final = 100
FEED_PATHS: Final = {"standard": "/v1/feed/prices", "bid": "/v1/feed/bids"}
_CHANGED: Final = {"standard": "prices.changed", "bid": "bids.changed"}


class FeedScope(Struct, frozen=True):
    """What a feed is to tell: asks or bids of these providers and items; none of either stands for all."""

    side: BookSide
    providers: tuple[str, ...] = ()
    items: tuple[Item, ...] = ()

    @property
    def path(self) -> str:
        """The path of the feed."""
        return FEED_PATHS[self.side.delivery]

    def params(self, source: str) -> list[tuple[str, str]]:
        """Return the parameters. Raises ConfigError for items that no feed can name."""
        if len(self.items) > MAX_ITEMS:
            raise ConfigError(f"a feed names at most {MAX_ITEMS} items, not {len(self.items)}", source)
        if phased := [item.label for item in self.items if item.item_id is None and item.phase]:
            raise ConfigError(f"a feed names a phase by its item id only: {phased[0]}", source)
        return [
            *(("providers", provider) for provider in self.providers),
            *(("item_ids", item.item_id) for item in self.items if item.item_id is not None),
            *(("market_hash_names", item.market_hash_name) for item in self.items if item.item_id is None),
        ]


class FeedRow(Struct, frozen=True, gc=False, kw_only=True):
    """A change of one item at a provider: `price` in US cents, and `qty`, for bids the number of orders."""

    item_id: Int64
    market_hash_name: NonEmptyStr
    change: Literal["added", "updated", "removed"]
    price: MinorUnits | None
    qty: Count
    phase: str | None = None

    def __post_init__(self) -> None:
        # msgspec turns a ValueError into a ValidationError, which makes the row a reject.
        if self.change != "removed" and self.price is None:
            raise ValueError(f"{self.change} without a price")


class FeedEvent(Struct, frozen=True, eq=False):
    """What a provider was seen to change at `seen_at` (UTC), each key once: the last of several counts."""

    provider: str
    seen_at: datetime
    rows: tuple[FeedRow, ...]
    rejects: tuple[Reject, ...]
    unknown_fields: dict[str, int]


class _Event(Struct):
    provider: NonEmptyStr
    seen_at: AwareDatetime
    items: list[Raw]


class _Ready(Struct):
    providers: list[str] = []
    item_ids_filter_count: int = 0
    market_hash_names_filter_count: int = 0


_READY: Final = msgspec.json.Decoder(_Ready)
_EVENT: Final = PageDecoder(_Event)
_ROW: Final = RowDecoder(FeedRow)


class Feed:
    """An open feed."""

    def __init__(self, client: Client, scope: FeedScope, stream: EventStream) -> None:
        self._client = client
        self._scope = scope
        self._stream = stream
        self._events = stream.events()
        self._received_at = self._seen_at = stream.heard_at

    @property
    def heard_at(self) -> datetime:
        """The time (UTC) after which the feed may have told more than has arrived.

        That is when a comment had arrived last. After an event it is the event's own time: another one of a
        moment later may be under way.
        """
        is_event = self._stream.heard_at <= self._received_at
        return min(self._seen_at, self._received_at) if is_event else self._stream.heard_at

    async def wait_until_ready(self) -> None:
        """Read the first event. Raises UnexpectedResponse where the feed will tell of something else."""
        first = await anext(self._events)
        if first.event != "ready":
            raise self._unexpected(f"the first event is {sanitize(first.event, 40)}, not ready")
        ready = decode_response(_READY, self._data(first), route=self._route, source=self._client.source)
        items = self._scope.items
        ids = sum(item.item_id is not None for item in items)
        if (ready.item_ids_filter_count, ready.market_hash_names_filter_count) != (ids, len(items) - ids):
            raise self._unexpected("it has other items than were requested")
        if self._scope.providers and set(ready.providers) != set(self._scope.providers):
            raise self._unexpected("it has other marketplaces than were requested")

    async def events(self) -> AsyncIterator[FeedEvent]:
        """Yield the changes as they arrive; see `EventStream` for what ends that."""
        async for event in self._events:
            if event.event == _CHANGED[self._scope.side.delivery]:
                parsed = self._parse(event)
                self._received_at, self._seen_at = self._stream.heard_at, max(parsed.seen_at, self._seen_at)
                yield parsed

    @property
    def _route(self) -> str:
        return f"GET {self._scope.path}"

    def _data(self, event: ServerSentEvent) -> bytes:
        return self._client.mask(event.data.encode(errors="replace"))

    def _parse(self, event: ServerSentEvent) -> FeedEvent:
        content = _EVENT.decode_response(self._data(event), route=self._route, source=self._client.source)
        try:
            seen_at = to_utc(content.seen_at)
        except ValueError as error:
            raise self._unexpected(f"seen_at: {error}") from None
        decoded = _ROW.decode_all(content.items)
        rows = {(row.item_id, row.phase or None): row for row in decoded.fitting}
        return FeedEvent(
            content.provider, seen_at, tuple(rows.values()), decoded.rejects, decoded.unknown_fields
        )

    def _unexpected(self, reason: str) -> UnexpectedResponse:
        return UnexpectedResponse(f"{self._route}: {reason}", self._client.source)


@asynccontextmanager
async def open_feed(client: Client, scope: FeedScope, *, clock: Clock) -> AsyncIterator[Feed]:
    """Open a feed and wait until it is ready.

    Raises SourceError: AuthRejected and PlanForbids for good, Busy where the key has no connection left,
    another TransientError where it is worth another try.
    """
    async with client.feed(scope.path, scope.params(client.source)) as response:
        feed = Feed(client, scope, EventStream(response, clock))
        await feed.wait_until_ready()
        yield feed


def to_quotes(events: Sequence[FeedEvent], delivery: str) -> pl.DataFrame:
    """Return the rows of events as a frame of the schema `QUOTES`; one that was removed has no price.

    The API tells no time of the change, and `seen_at` as the time up to which the row is right.
    """
    rows = [(event, row) for event in events for row in event.rows]
    prices = [None if row.change == "removed" else row.price for _, row in rows]
    cents = pl.Series(prices, dtype=pl.Int64)
    columns = {
        "item_id": [str(row.item_id) for _, row in rows],
        "market_hash_name": [row.market_hash_name for _, row in rows],
        "phase": [row.phase or None for _, row in rows],
        "provider": [event.provider for event, _ in rows],
        "delivery": [delivery] * len(rows),
        "lowest_ask": cents,
        "price": (cents.cast(MONEY) / 100).cast(MONEY),
        "quantity": [0 if row.change == "removed" else row.qty for _, row in rows],
        "timestamp": [None] * len(rows),
        "last_updated": [event.seen_at for event, _ in rows],
        "url": [None] * len(rows),
    }
    return pl.DataFrame(columns, schema=QUOTES, strict=True)
