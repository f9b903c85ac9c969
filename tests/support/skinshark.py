"""SkinShark in the tests: a connector on the sandbox, and a configuration that has it beside CS2Cap."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from common.clock import Clock, SystemClock
from common.shards import Item
from connectors.http.auth import Key
from connectors.http.retry import RetryPolicy
from connectors.pages import PageBuilder, TypedPage
from connectors.pagination import PageInfo
from connectors.shards import Shard
from connectors.skinshark.client import SkinsharkClient
from connectors.skinshark.connector import MARKETS, SkinShark
from sandbox.core import Sandbox
from sandbox.cs2cap.keys import VALID_KEY
from sandbox.skinshark.listing import ListingQuery, rows
from sandbox.skinshark.merchant import FIRST_KEY
from tests.support.snapshots import Bench, toml

DOPPLER = "★ StatTrak™ Karambit | Doppler (Factory New)"
LISTED = ("standard", "instant")


def shark(
    url: str,
    market: str = "all",
    *,
    key: str = FIRST_KEY,
    clock: Clock | None = None,
    retry: RetryPolicy | None = None,
    deadline: float = 30.0,
    **how: Any,
) -> SkinShark:
    """A connector on the API at `url`."""
    client = SkinsharkClient(
        "shark",
        url,
        Key(key),
        clock or SystemClock(),
        retry=retry,
        deadline=deadline,
    )
    return SkinShark(client, market, **how)


def listing(market: str = "all", items: tuple[Item, ...] | None = None, currency: str = "USD") -> Shard:
    """The shard that is the listing of a marketplace."""
    provider = MARKETS[market][0]
    return Shard(0, "shark", currency, (provider,), items, LISTED, route="listing")


class Landed:
    """Keeps the pages of a walk in memory, the newest of each place."""

    def __init__(self) -> None:
        self.pages: dict[tuple[int, int], TypedPage] = {}

    async def __call__(self, make: PageBuilder) -> PageInfo:
        """Land a page."""
        page, sheet = make()
        assert isinstance(page, TypedPage)
        self.pages[page.request, page.offset] = page
        return sheet

    @property
    def rows(self) -> pl.DataFrame:
        """All rows."""
        return pl.concat([page.rows for page in self.pages.values()])


def told(box: Sandbox, market: int = 0, *, fees: bool = False) -> list[dict[str, Any]]:
    """The rows that the sandbox lists."""
    with box.lock:
        found: list[dict[str, Any]] = list(rows(box.market, box.sync(), ListingQuery(market, fees)))
    return found


def asks(box: Sandbox, market: int = 0) -> set[tuple[str, str | None, str, float]]:
    """What is for sale: id, phase, delivery and dollars."""
    found: set[tuple[str, str | None, str, float]] = set()
    for row in told(box, market):
        found |= {(row["itemId"], None, kind, row[kind]) for kind in LISTED if row[kind] is not None}
        phases: Mapping[str, float] = row.get("phases", {})
        found |= {(row["itemId"], phase, "standard", price) for phase, price in phases.items()}
    return found


def both(folder: Path, box: Sandbox, *baskets: Mapping[str, object], **skinshark: object) -> Bench:
    """A configuration with both sources on one sandbox; `skinshark` says more of that one."""
    tables: dict[str, Mapping[str, object]] = {"warehouse": {"path": "data", "least_free": "1MB"}}
    for name, key in (("cs2cap", VALID_KEY), ("skinshark", FIRST_KEY)):
        put(folder, name, key)
        more = {"key_next": f"file:{folder / 'next.key'}", **skinshark} if name == "skinshark" else {}
        tables[f"sources.{name}"] = {"base_url": box.url, "key": f"file:{folder / f'{name}.key'}", **more}
    config = folder / "floorline.toml"
    config.write_text(toml(tables, baskets), "utf-8")
    return Bench(folder, config)


def put(folder: Path, name: str, key: str) -> None:
    """Put a key where the configuration looks for it."""
    path = folder / f"{name}.key"
    path.write_text(key)
    path.chmod(0o600)


def sharks(**fields: Any) -> dict[str, Any]:
    """A basket of everything at SkinShark, unless `fields` say otherwise."""
    return {"name": "sharks", "source": "skinshark", "items": ["all"], **fields}
