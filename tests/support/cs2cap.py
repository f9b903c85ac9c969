"""A CS2Cap connector on a sandbox, where its pages land, and what they must be."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import polars as pl

from common import errors
from common.shards import Item
from connectors.base import ExtractResult
from connectors.cs2cap.client import Cs2capClient
from connectors.cs2cap.connector import CS2Cap
from connectors.cs2cap.contract import BOOK_SIDES, BookSide
from connectors.cs2cap.parser import parse_rows
from connectors.http.auth import Key
from connectors.pages import PageBuilder, RawChunk, RawPage, TypedPage
from connectors.pagination import PageInfo
from connectors.schemas import QUOTES
from connectors.shards import Shard
from sandbox.core import Sandbox
from sandbox.cs2cap.keys import VALID_KEY
from tests.support.clocks import VirtualClock

T = TypeVar("T")
STEAM = Shard(0, "cs2cap", "USD", ("steam",), None)
PROVIDERS = ("steam", "buff163", "csfloat")
STREAM = Shard(0, "cs2cap", "USD", PROVIDERS, None, route="stream")


def use(
    url: str, job: Callable[[CS2Cap], Awaitable[T]], *, limit: int | None = 20, concurrency: int = 8
) -> T:
    """Do `job` with a connector whose waits take no time."""

    async def main() -> T:
        client = Cs2capClient("cs2cap", url, Key(VALID_KEY), VirtualClock(), concurrency=concurrency)
        source = CS2Cap(client, limit)
        try:
            return await job(source)
        finally:
            await source.aclose()

    return asyncio.run(main())


class Landing:
    """Keeps what a loader would find: the newest page of each request and offset; pieces are typed."""

    def __init__(self) -> None:
        self.pages: list[TypedPage] = []
        self.pieces: list[RawChunk] = []

    async def land(self, make: PageBuilder) -> PageInfo:
        """Keep a page, or make one of a piece."""
        made, sheet = make()
        match made:
            case TypedPage():
                self.pages.append(made)
            case RawPage():
                self.pages.append(_page_of(made))
            case RawChunk():
                self.pages.append(self._page_of(made))
        return sheet

    def _page_of(self, piece: RawChunk) -> TypedPage:
        self.pieces.append(piece)
        rows = parse_rows([line for line in b"".join(piece.parts).split(b"\n") if line], _offers(piece), "")
        return TypedPage(
            *(0, piece.offset, -1, piece.observed_at, rows.rows, rows.rejects, rows.unknown_fields, ""),
        )

    @property
    def rows(self) -> pl.DataFrame:
        """The rows that stand in the end."""
        newest = {(page.request, page.offset): page for page in self.pages}
        return pl.concat([QUOTES.to_frame(), *(page.rows for page in newest.values())])

    @property
    def offsets(self) -> list[int]:
        """Where the pages were, in the order in which they came."""
        return [page.offset for page in self.pages]


def _page_of(told: RawPage) -> TypedPage:
    rows = parse_rows(told.rows, _offers(told), "")
    assert len(told.rows) == rows.rows.height + rows.surplus + len(rows.rejects)
    return TypedPage(
        *(told.request, told.offset, told.total, told.observed_at, rows.rows, rows.rejects),
        *(rows.unknown_fields, told.fingerprint),
    )


def _offers(told: RawPage | RawChunk) -> BookSide:
    (offers,) = (offers for offers in BOOK_SIDES.values() if offers.wire_names == told.wire_names)
    return offers


def walk(
    url: str, shard: Shard, have: Sequence[TypedPage] = (), *, limit: int | None = 20
) -> tuple[Landing, ExtractResult | errors.SourceError]:
    landing = Landing()
    try:
        return landing, use(url, lambda source: source.extract(shard, landing.land, have), limit=limit)
    except errors.SourceError as error:
        return landing, error


def as_ledger(rows: pl.DataFrame) -> list[tuple[object, ...]]:
    columns = ("provider", "item_id", "market_hash_name", "phase", "lowest_ask", "quantity", "timestamp")
    return sorted(rows.select(*columns, pl.col("price").cast(pl.String)).rows(), key=str)


def ledger(sandbox: Sandbox, shard: Shard) -> list[tuple[object, ...]]:
    items = None if shard.items is None else [int(item.item_id or 0) for item in shard.items]
    told = sandbox.ledger(currency=shard.currency, providers=shard.providers, item_ids=items)
    return as_ledger(
        told.with_columns(
            pl.col("item_id").cast(pl.String), price=pl.col("lowest_ask_decimal").cast(QUOTES["price"])
        )
    )


def numbered_items(count: int) -> list[Item]:
    """Return the first items of the sandbox's catalog, by id."""
    return [Item(str(number), f"item {number}", None) for number in range(1, count + 1)]


def count_posts(sandbox: Sandbox) -> int:
    """Return how many POST requests the sandbox got: batches and starts of streams."""
    return sum(entry.method == "POST" for entry in sandbox.requests.since(0))
