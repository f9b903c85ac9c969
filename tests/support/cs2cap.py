"""A CS2Cap connector on a sandbox, a collector of its pages, and the rows that they must hold."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import polars as pl

from common import errors
from common.shards import Item
from connectors.base import ExtractResult
from connectors.cs2cap.client import Cs2capClient
from connectors.cs2cap.connector import CS2Cap
from connectors.cs2cap.contract import BOOK_SIDES
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
STEAM = Shard(0, "cs2cap", "USD", providers=("steam",), items=None)
PROVIDERS = ("steam", "buff163", "csfloat")
STREAM = Shard(0, "cs2cap", "USD", providers=PROVIDERS, items=None, route="stream")


def run_with_connector(
    url: str, job: Callable[[CS2Cap], Awaitable[T]], *, limit: int | None = 20, concurrency: int = 8
) -> T:
    """Return the result of `job`, which gets a connector with a virtual clock."""

    async def main() -> T:
        client = Cs2capClient("cs2cap", url, Key(VALID_KEY), clock=VirtualClock(), concurrency=concurrency)
        connector = CS2Cap(client, limit)
        try:
            return await job(connector)
        finally:
            await connector.aclose()

    return asyncio.run(main())


class PageCollector:
    """A `PageSink` that keeps pages in memory; raw pages and raw chunks are parsed, as the loader does."""

    def __init__(self) -> None:
        self.pages: list[TypedPage] = []
        self.chunks: list[RawChunk] = []

    async def __call__(self, build: PageBuilder) -> PageInfo:
        """Build a page and keep it."""
        page, info = build()
        match page:
            case TypedPage():
                self.pages.append(page)
            case RawPage():
                self.pages.append(_parse_raw(page, page.rows, page.request))
            case RawChunk():
                self.chunks.append(page)
                lines = [line for line in b"".join(page.parts).split(b"\n") if line]
                self.pages.append(_parse_raw(page, lines, 0))
        return info

    @property
    def rows(self) -> pl.DataFrame:
        """The rows of the latest page of each request and offset."""
        latest = {(page.request, page.offset): page for page in self.pages}
        return pl.concat([QUOTES.to_frame(), *(page.rows for page in latest.values())])

    @property
    def offsets(self) -> list[int]:
        """The offsets of the pages, in the order in which they arrived."""
        return [page.offset for page in self.pages]


def _parse_raw(page: RawPage | RawChunk, raws: Sequence[bytes], request: int) -> TypedPage:
    (side,) = (side for side in BOOK_SIDES.values() if side.wire_names == page.wire_names)
    parsed = parse_rows(raws, side, "")
    assert len(raws) == parsed.received
    return TypedPage(
        request=request,
        offset=page.offset,
        total=page.total if isinstance(page, RawPage) else -1,
        observed_at=page.observed_at,
        rows=parsed.rows,
        rejects=parsed.rejects,
        unknown_fields=parsed.unknown_fields,
        fingerprint=page.fingerprint if isinstance(page, RawPage) else "",
    )


def extract(
    url: str, shard: Shard, resume_pages: Sequence[TypedPage] = (), *, limit: int | None = 20
) -> tuple[PageCollector, ExtractResult | errors.SourceError]:
    """Extract a shard from the sandbox at `url`; return its pages, and the result or the error."""
    collector = PageCollector()
    try:
        return collector, run_with_connector(
            url, lambda connector: connector.extract(shard, collector, resume_pages), limit=limit
        )
    except errors.SourceError as error:
        return collector, error


def comparable_rows(rows: pl.DataFrame) -> list[tuple[object, ...]]:
    """Return `rows` (schema `QUOTES`) sorted and without the columns that the sandbox does not predict."""
    columns = ("provider", "item_id", "market_hash_name", "phase", "lowest_ask", "quantity", "timestamp")
    return sorted(rows.select(*columns, pl.col("price").cast(pl.String)).rows(), key=str)


def expected_rows(sandbox: Sandbox, shard: Shard) -> list[tuple[object, ...]]:
    """Return the rows that the sandbox must give for `shard`, as `comparable_rows` returns them."""
    items = None if shard.items is None else [int(item.item_id or 0) for item in shard.items]
    quotes = sandbox.ledger(currency=shard.currency, providers=shard.providers, item_ids=items)
    price = pl.col("lowest_ask_decimal").cast(QUOTES["price"])
    return comparable_rows(quotes.with_columns(pl.col("item_id").cast(pl.String), price=price))


def numbered_items(count: int) -> list[Item]:
    """Return the first items of the sandbox's catalog, by id."""
    return [Item(str(number), f"item {number}", None) for number in range(1, count + 1)]


def count_posts(sandbox: Sandbox) -> int:
    """Return how many POST requests the sandbox got: batches and starts of streams."""
    return sum(entry.method == "POST" for entry in sandbox.requests.since(0))
