"""A SkinShark connector on a sandbox, the prices that it must give, and a configuration with both sources."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from common.clock import Clock, SystemClock
from common.shards import Item
from connectors.base import ExtractResult
from connectors.http.auth import Key
from connectors.http.retry import RetryPolicy
from connectors.shards import LISTING_DELIVERIES, Shard
from connectors.skinshark.client import SkinsharkClient
from connectors.skinshark.connector import SkinShark
from connectors.skinshark.markets import MARKETS
from sandbox.core import Sandbox
from sandbox.cs2cap.keys import VALID_KEY
from sandbox.skinshark.listing import ListingQuery, build_rows
from sandbox.skinshark.merchant import FIRST_KEY
from tests.support.cs2cap import PageCollector
from tests.support.snapshots import Bench, toml

T = TypeVar("T")
DOPPLER = "★ StatTrak™ Karambit | Doppler (Factory New)"


def make_skinshark(
    url: str,
    market: str = "all",
    *,
    key: str = FIRST_KEY,
    clock: Clock | None = None,
    retry: RetryPolicy | None = None,
    **options: Any,
) -> SkinShark:
    """Return a connector to the API at `url`."""
    client = SkinsharkClient("shark", url, Key(key), clock=clock or SystemClock(), retry=retry)
    return SkinShark(client, market, **options)


def listing_shard(market: str = "all", items: tuple[Item, ...] | None = None, currency: str = "USD") -> Shard:
    """Return the shard of a marketplace's listing."""
    provider = MARKETS[market].provider
    deliveries = LISTING_DELIVERIES
    return Shard(
        0, "shark", currency, providers=(provider,), items=items, deliveries=deliveries, route="listing"
    )


def listed_rows(sandbox: Sandbox, market: int = 0, *, fees: bool = False) -> list[dict[str, Any]]:
    """Return the rows that the sandbox lists, as its API sends them."""
    with sandbox.lock:
        query = ListingQuery(market, fees, sandbox.skinshark.shape)
        return list(build_rows(sandbox.market, sandbox.sync(), query))


def listed_prices(sandbox: Sandbox, market: int = 0) -> set[tuple[str, str | None, str, float]]:
    """Return what the sandbox has for sale: item id, phase, delivery and dollars."""
    prices: set[tuple[str, str | None, str, float]] = set()
    for row in listed_rows(sandbox, market):
        item_id = row["itemId"]
        prices |= {
            (item_id, None, delivery, row[delivery])
            for delivery in LISTING_DELIVERIES
            if row[delivery] is not None
        }
        for phase, value in row.get("phases", {}).items():
            both = value if isinstance(value, dict) else {"standard": value}
            prices |= {
                (item_id, phase, delivery, price) for delivery, price in both.items() if price is not None
            }
    return prices


def configure_both_sources(
    folder: Path, sandbox: Sandbox, *baskets: Mapping[str, object], **skinshark: object
) -> Bench:
    """Write a configuration with both sources on one sandbox; `skinshark` adds settings of that source."""
    tables: dict[str, Mapping[str, object]] = {"warehouse": {"path": "data", "least_free": "1MB"}}
    for name, key in (("cs2cap", VALID_KEY), ("skinshark", FIRST_KEY)):
        write_key(folder, name, key)
        settings = {"key_next": f"file:{folder / 'next.key'}", **skinshark} if name == "skinshark" else {}
        key_file = f"file:{folder / f'{name}.key'}"
        tables[f"sources.{name}"] = {"base_url": sandbox.url, "key": key_file, **settings}
    config = folder / "floorline.toml"
    config.write_text(toml(tables, baskets), "utf-8")
    return Bench(folder, config)


def write_key(folder: Path, name: str, key: str) -> None:
    """Write a key to the file that the configuration names."""
    path = folder / f"{name}.key"
    path.write_text(key)
    path.chmod(0o600)


def skinshark_basket(**fields: Any) -> dict[str, Any]:
    """Return a basket of all items at SkinShark, changed by `fields`."""
    return {"name": "sharks", "source": "skinshark", "items": ["all"], **fields}


def stored_prices(bench: Bench) -> set[tuple[str, str | None, str, float]]:
    """Return what the warehouse has of the source, in the form of `listed_prices`."""
    rows = bench.query("SELECT item_id, phase, delivery, price FROM quotes WHERE source = 'skinshark'")
    return {(item_id, phase, delivery, float(price)) for item_id, phase, delivery, price in rows}


def sent_paths(sandbox: Sandbox, since: int = 0) -> list[str]:
    """Return the paths of the requests that SkinShark received after number `since`."""
    return [entry.path for entry in sandbox.skinshark.requests.since(since)]


def run_and_close(connector: SkinShark, job: Callable[[SkinShark], Awaitable[T]]) -> T:
    """Return the result of `job`; close the connector."""

    async def main() -> T:
        try:
            return await job(connector)
        finally:
            await connector.aclose()

    return asyncio.run(main())


def extract(
    connector: SkinShark, market: str = "all", items: tuple[Item, ...] | None = None
) -> tuple[ExtractResult, PageCollector]:
    """Extract a listing, and close the connector; return the result and the pages."""
    collector = PageCollector()
    shard = listing_shard(market, items)
    return run_and_close(connector, lambda source: source.extract(shard, collector)), collector


def prices_of(collector: PageCollector) -> set[tuple[Any, ...]]:
    """Return the collected prices in the form of `listed_prices`."""
    rows = collector.rows.select("item_id", "phase", "delivery", "price").iter_rows()
    return {(item_id, phase, delivery, float(price)) for item_id, phase, delivery, price in rows}


def requested_limits(sandbox: Sandbox) -> list[str]:
    """Return the `limit` of each request for prices."""
    return [entry.query.split("&")[1] for entry in sandbox.skinshark.requests.of_path("/market/prices")]
