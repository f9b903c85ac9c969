"""Extract series from a sandbox, or from a stub server whose responses a test makes up."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import polars as pl

from common import errors
from common.shards import Item, SeriesShard
from connectors.base import ExtractResult
from connectors.cs2cap.client import Cs2capClient
from connectors.cs2cap.connector import CS2Cap
from connectors.http.auth import Key
from connectors.http.retry import RetryPolicy
from connectors.schemas import SCHEMAS, provider_keys_by_name
from connectors.series import Series, SeriesPage
from sandbox.cs2cap.keys import VALID_KEY
from tests.support.clocks import VirtualClock
from tests.support.cs2cap import run_with_connector
from tests.support.http_servers import http_response, stub_server

PROVIDER_NAMES = {
    "steam": "steam",
    "Steam Community Market": "steam",
    "skinport": "skinport",
    "Skinport": "skinport",
}
REDLINE = Item("156", "AK-47 | Redline (Field-Tested)", None)
Body = Mapping[str, Any]
# Returns the response to a query: JSON, or a status and JSON.
Respond = Callable[[dict[str, str]], Body | tuple[str, Body]]


class SeriesPageCollector:
    """A `SeriesPageSink` that keeps the pages of an extraction in order."""

    def __init__(self, series: Series) -> None:
        self._series = series
        self.pages: list[SeriesPage] = []

    async def __call__(self, page: SeriesPage) -> None:
        """Keep a page."""
        self.pages.append(page)

    @property
    def rows(self) -> pl.DataFrame:
        """The rows of all pages."""
        return pl.concat([SCHEMAS[self._series].to_frame(), *(page.rows for page in self.pages)])

    @property
    def reject_reasons(self) -> list[str]:
        """Why rows were rejected."""
        return [reject.reason for page in self.pages for reject in page.rejects]


def extract_series(
    series: Series, url: str, shard: SeriesShard, *, limit: int | None = None, **options: Any
) -> tuple[SeriesPageCollector, ExtractResult | errors.SourceError]:
    """Extract a shard from a sandbox, after its providers; return the pages, and the result or the error."""
    collector = SeriesPageCollector(series)

    async def job(connector: CS2Cap) -> ExtractResult:
        providers = provider_keys_by_name(await connector.providers())
        return await connector.extract_series(series, shard, collector, providers=providers, **options)

    try:
        return collector, run_with_connector(url, job, limit=limit)
    except errors.SourceError as error:
        return collector, error


def find_item(url: str, which: int | pl.Expr) -> Item:
    """Return the first item of a sandbox's catalog with this id, or for which this expression is true."""
    catalog = run_with_connector(url, lambda connector: connector.items())
    condition = pl.col("item_id") == str(which) if isinstance(which, int) else which
    return Item(*catalog.filter(condition).select("item_id", "market_hash_name", "phase").row(0))


def extract_from_stub(
    series: Series, respond: Respond, shard: SeriesShard, **options: Any
) -> tuple[SeriesPageCollector, ExtractResult, list[dict[str, str]]]:
    """Extract a shard from a server that answers with `respond`; return pages, result and queries."""
    collector = SeriesPageCollector(series)
    queries: list[dict[str, str]] = []

    async def serve(head: bytes, writer: asyncio.StreamWriter) -> None:
        queries.append(dict(parse_qsl(urlsplit(head.split(b" ")[1].decode()).query)))
        response = respond(queries[-1])
        status, body = response if isinstance(response, tuple) else ("200 OK", response)
        writer.write(http_response(encode_json(body), status))

    async def main() -> ExtractResult:
        async with stub_server(serve) as server:
            retry = RetryPolicy(attempts=1)
            client = Cs2capClient("cs2cap", server.url, Key(VALID_KEY), clock=VirtualClock(), retry=retry)
            connector = CS2Cap(client)
            try:
                return await connector.extract_series(
                    series, shard, collector, providers=PROVIDER_NAMES, **options
                )
            finally:
                await connector.aclose()

    return collector, asyncio.run(main()), queries


def encode_json(body: object) -> bytes:
    """Return the JSON of `body` as the stub server writes it."""
    return json.dumps(body, ensure_ascii=False).encode()


def cursor_page(rows: Sequence[object], next_cursor: str | None = None, currency: str = "USD") -> Body:
    """Return a page of a paged series."""
    has_next = next_cursor is not None
    footer = {"limit": 1000, "has_next": has_next, "has_prev": False, "next_cursor": next_cursor}
    return {"meta": {"currency": currency}, "items": list(rows), "pagination": footer}
