"""Walks of series for the tests: at a sandbox, or at a server that answers with whatever a test makes up."""

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
from tests.support.cs2cap import use
from tests.support.http_servers import answer, canned

NAMES = {"steam": "steam", "Steam Community Market": "steam", "skinport": "skinport", "Skinport": "skinport"}
REDLINE = Item("156", "AK-47 | Redline (Field-Tested)", None)
Body = Mapping[str, Any]


class Pages:
    """Keeps the pages of a walk, in order."""

    def __init__(self, series: Series) -> None:
        self.all: list[SeriesPage] = []
        self._series = series

    async def land(self, page: SeriesPage) -> None:
        """Keep a page."""
        self.all.append(page)

    def rows(self) -> pl.DataFrame:
        """All rows."""
        return pl.concat([SCHEMAS[self._series].to_frame(), *(page.rows for page in self.all)])

    @property
    def rejects(self) -> list[str]:
        """Why rows were rejected."""
        return [reject.reason for page in self.all for reject in page.rejects]


Result = tuple[Pages, ExtractResult | errors.SourceError]


def walk(series: Series, url: str, ask: SeriesShard, *, limit: int | None = None, **how: Any) -> Result:
    """Walk at a sandbox, whose providers are asked for first."""
    pages = Pages(series)

    async def job(source: CS2Cap) -> ExtractResult:
        names = provider_keys_by_name(await source.providers())
        return await source.extract_series(series, ask, pages.land, providers=names, **how)

    try:
        return pages, use(url, job, limit=limit)
    except errors.SourceError as error:
        return pages, error


def item_of(url: str, which: int | pl.Expr) -> Item:
    """The first item of a sandbox's catalog with this id, or of which this is true."""
    catalog = use(url, lambda source: source.items()).select("item_id", "market_hash_name", "phase")
    return Item(*catalog.filter(pl.col("item_id") == str(which) if isinstance(which, int) else which).row(0))


Answering = Callable[[dict[str, str]], Body | tuple[str, Body]]


def told(
    series: Series, respond: Answering, ask: SeriesShard, **how: Any
) -> tuple[Pages, ExtractResult, list[dict[str, str]]]:
    """Walk at a server that answers by the query, with JSON, or with a status and JSON; what it was asked."""
    pages = Pages(series)
    asked: list[dict[str, str]] = []

    async def serve(head: bytes, writer: asyncio.StreamWriter) -> None:
        asked.append(dict(parse_qsl(urlsplit(head.split(b" ")[1].decode()).query)))
        said = respond(asked[-1])
        status, body = said if isinstance(said, tuple) else ("200 OK", said)
        writer.write(answer(body_of(body), status))

    async def main() -> ExtractResult:
        async with canned(serve) as server:
            client = Cs2capClient(
                "cs2cap", server.url, Key(VALID_KEY), VirtualClock(), retry=RetryPolicy(attempts=1)
            )
            source = CS2Cap(client)
            try:
                return await source.extract_series(series, ask, pages.land, providers=NAMES, **how)
            finally:
                await source.aclose()

    return pages, asyncio.run(main()), asked


def body_of(said: object) -> bytes:
    """The same as the server writes it."""
    return json.dumps(said, ensure_ascii=False).encode()


def paged(rows: Sequence[object], following: str | None = None, currency: str = "USD") -> Body:
    """An answer that comes in pages."""
    footer = {"limit": 1000, "has_next": following is not None, "has_prev": False, "next_cursor": following}
    return {"meta": {"currency": currency}, "items": list(rows), "pagination": footer}
