"""Small landings of quotes for tests of the warehouse, and queries of what the database holds then."""

from __future__ import annotations

import dataclasses
import functools
import os
import shutil
import tempfile
import weakref
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import polars as pl

from common.shards import Item
from tests.support.clocks import NOON
from tests.support.lake_warehouses import connect_lake, find_warehouse, lakes_in_use
from warehouse.database import open_published, open_writer
from warehouse.holdings import Holding
from warehouse.landing.model import PageMeta, RunHeader, ShardHeader
from warehouse.landing.reader import read_run
from warehouse.landing.writer import LandingWriter
from warehouse.loading.pipeline import load_pending
from warehouse.loading.quotes import load_run
from warehouse.loading.run import LoadReport
from warehouse.migration import migrate
from warehouse.paths import WarehousePaths
from warehouse.queries.runner import run_query

DAY = timedelta(days=1)
UTC_TIMESTAMP = pl.Datetime("us", "UTC")
COLUMNS = pl.Schema(
    {
        "item_id": pl.String(), "market_hash_name": pl.String(), "phase": pl.String(),
        "provider": pl.String(), "delivery": pl.String(),
        "lowest_ask": pl.Int64(), "price": pl.Decimal(20, 8), "quantity": pl.Int64(),
        "timestamp": UTC_TIMESTAMP, "last_updated": UTC_TIMESTAMP, "url": pl.String(),
    }
)  # fmt: skip
ItemTuple = tuple[str | None, str, str | None]


def minute(number: float) -> datetime:
    """Return the time so many minutes after noon."""
    return NOON + timedelta(minutes=number)


def item_name(item: str) -> str:
    return f"AK-47 | Finish {item} (Field-Tested)"


@dataclasses.dataclass(frozen=True, slots=True)
class Quote:
    """One row of a page. `price` is exact; without it, `cents` gives the price."""

    item: str = "1"
    cents: int = 100
    quantity: int | None = 1
    provider: str = "steam"
    timestamp: datetime | None = NOON
    last_updated: datetime | None = NOON
    name: str | None = None
    phase: str | None = None
    price: Decimal | None = None
    url: str | None = None
    delivery: str = "standard"

    def row(self) -> dict[str, Any]:
        """Return the row by the column names of a frame."""
        return {
            "item_id": self.item,
            "market_hash_name": self.name or item_name(self.item),
            "phase": self.phase,
            "provider": self.provider,
            "delivery": self.delivery,
            "lowest_ask": self.cents,
            "price": self.price if self.price is not None else Decimal(self.cents) / 100,
            "quantity": self.quantity,
            "timestamp": self.timestamp,
            "last_updated": self.last_updated,
            "url": self.url,
        }


@dataclasses.dataclass(frozen=True, slots=True)
class Removal(Quote):
    """What a feed says of a quote that is not listed any more."""

    def row(self) -> dict[str, Any]:
        """Return the row by the column names of a frame: without a price."""
        return {**Quote.row(self), "lowest_ask": None, "price": None, "quantity": 0}


def quotes_frame(quotes: Sequence[Quote]) -> pl.DataFrame:
    return pl.DataFrame([quote.row() for quote in quotes], schema=COLUMNS, orient="row")


@dataclasses.dataclass(frozen=True, slots=True)
class Page:
    """One page of a response, with its rejects: (reason, raw text). Without `landed_at` it landed at `at`."""

    at: datetime
    quotes: Sequence[Quote]
    offset: int = 0
    request: int = 0
    rejects: Sequence[tuple[str, str]] = ()
    landed_at: datetime | None = None

    def meta(self) -> PageMeta:
        """Return the metadata of the page."""
        return PageMeta(
            request=self.request,
            offset=self.offset,
            total=len(self.quotes),
            observed_at=self.at,
            landed_at=self.landed_at or self.at,
            fingerprint="",
            rejects=tuple(self.rejects),
        )


@dataclasses.dataclass(frozen=True, slots=True)
class ShardSpec:
    """What a shard requests and gets. Without `items` it requests the catalog."""

    pages: Sequence[Page]
    currency: str = "USD"
    providers: tuple[str, ...] = ("steam",)
    items: tuple[ItemTuple, ...] | None = None
    complete: bool = True
    deliveries: tuple[str, ...] = ("standard",)
    listing: bool = False
    live: bool = False

    def header(self, number: int) -> ShardHeader:
        """Return the header of the shard."""
        return ShardHeader(
            number=number,
            currency=self.currency,
            deliveries=self.deliveries,
            providers=self.providers,
            items=None if self.items is None else tuple(Item(*item) for item in self.items),
            listing=self.listing,
            live=self.live,
        )


def observe(
    at: datetime,
    *quotes: Quote,
    rejects: Sequence[tuple[str, str]] = (),
    items: tuple[ItemTuple, ...] | None = None,
    **fields: Any,
) -> ShardSpec:
    """Return a shard of one page."""
    return ShardSpec([Page(at, quotes, rejects=rejects)], items=items, **fields)


def by_ids(*items: str) -> tuple[ItemTuple, ...]:
    return tuple((item, item_name(item), None) for item in items)


@functools.cache
def empty_database() -> bytes:
    """Return the loader's database without rows, as the first load of a warehouse creates it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "market.duckdb"
        with open_writer(path):
            pass
        return path.read_bytes()


def create_warehouse(folder: Path) -> WarehousePaths:
    """Create a warehouse with an empty database, which is copied: creating one takes as long as a load."""
    if lakes := lakes_in_use():
        lakes.fill(folder)
    paths = find_warehouse(folder)
    paths.prepare()
    if paths.shared is None:
        paths.writer.write_bytes(empty_database())
    return paths


def copy_warehouse(template: WarehousePaths, folder: Path) -> WarehousePaths:
    """Copy a warehouse, which is faster than loading its landings again."""
    copy_folder(template.root, folder)
    return find_warehouse(folder)


def copy_folder(source: Path, folder: Path) -> None:
    """Copy the folder of a warehouse, or of a configuration with one."""
    if lakes := lakes_in_use():
        lakes.copy(source, folder)
    else:
        shutil.copytree(source, folder, dirs_exist_ok=True)


def run_header(run_id: str, started_at: datetime, **fields: Any) -> RunHeader:
    defaults = {"flow": "snapshot", "source": "cs2cap", "basket": "all", "interval_seconds": 600}
    return RunHeader(**{**defaults, **fields}, run_id=run_id, started_at=started_at)


def land(
    paths: WarehousePaths,
    run_id: str,
    *shards: ShardSpec,
    state: str | None = "done",
    facts: Any = None,
    **fields: Any,
) -> Path:
    """Land a run and return its folder. With `state=None` the process died before the end of the run."""
    started_at = fields.pop("started_at", min((p.at for s in shards for p in s.pages), default=NOON))
    with LandingWriter(paths.landing, run_header(run_id, started_at, **fields)) as landing:
        for number, shard in enumerate(shards, 1):
            writer = landing.open_shard(shard.header(number))
            for page in shard.pages:
                writer.append(page.meta(), quotes_frame(page.quotes))
            if state is not None:
                writer.finish(complete=shard.complete, reason=None if shard.complete else "cut short")
        if state is not None:
            landing.finish(state, **(facts or {}))
    return landing.folder


def load(paths: WarehousePaths, holdings: Sequence[Holding] | None = None) -> list[LoadReport]:
    """Load what is pending; prune nothing and wait for no lock."""
    return load_pending(paths, now=lambda: minute(600), keep=365 * DAY, wait=0, holdings=holdings)


def land_and_load(paths: WarehousePaths, run_id: str, *shards: ShardSpec, **fields: Any) -> LoadReport:
    """Land and load one run."""
    land(paths, run_id, *shards, **fields)
    return load(paths)[0]


def query_rows(paths: WarehousePaths, query: str, *parameters: object) -> list[tuple[Any, ...]]:
    return list(run_query(paths, query, parameters).rows)


def query_all(paths: WarehousePaths, queries: Iterable[str]) -> list[list[tuple[Any, ...]]]:
    """Return the rows of each query of the published database, which is opened once."""
    with open_published(paths) as db:
        return [db.execute(query).fetchall() for query in queries]


def public_views(paths: WarehousePaths) -> list[str]:
    """Return the names of the public views of the published database, sorted."""
    query = "SELECT view_name FROM duckdb_views() WHERE schema_name = 'main' AND NOT internal ORDER BY ALL"
    return [view for (view,) in query_rows(paths, query)]


def current_prices(paths: WarehousePaths) -> dict[str, Decimal]:
    """Return the listed price of each item, of one provider and currency."""
    return dict(query_rows(paths, "SELECT item_id, price FROM quotes"))


def price_history(paths: WarehousePaths, item: str = "1") -> list[tuple[Any, ...]]:
    """Return (minutes after noon, price in cents or None, quantity) of one item, in order of time."""
    query = "SELECT valid_from, price, quantity FROM quote_history WHERE item_id = ? ORDER BY valid_from"
    return [
        ((at - NOON).total_seconds() / 60, price and price * 100, quantity)
        for at, price, quantity in query_rows(paths, query, item)
    ]


def dump_facts(paths: WarehousePaths) -> dict[str, list[tuple[Any, ...]]]:
    """Return all facts but the time of their load, to compare one database with another."""
    facts = ("observation", "current", "history", "reject", "fx_rate")
    tables = ("item", "provider", "scope", "scope_item", *facts)
    queries = {name: f"FROM store.{name} ORDER BY ALL" for name in tables}
    queries["run"] = "SELECT * EXCLUDE (loaded_at) FROM store.run ORDER BY ALL"
    with open_published(paths) as db:
        return {name: db.execute(query).fetchall() for name, query in queries.items()}


def open_empty_database() -> duckdb.DuckDBPyConnection:
    """Return a connection to a new database without rows; its file vanishes with the connection."""
    folder = Path(tempfile.mkdtemp(dir=os.environ.get("PYTEST_DEBUG_TEMPROOT")))
    if lakes_in_use():
        lake = connect_lake(create_warehouse(folder))
        weakref.finalize(lake, shutil.rmtree, folder)
        return lake
    path = folder / "market.duckdb"
    path.write_bytes(empty_database())
    db = duckdb.connect(path)
    weakref.finalize(db, shutil.rmtree, folder)
    db.execute("SET TimeZone = 'UTC'")
    migrate(db, path)  # which resets the number of threads
    db.execute("SET threads = 1")
    return db


def load_into_memory(folders: Iterable[Path]) -> duckdb.DuckDBPyConnection:
    """Load landings, in this order, into a database of their own."""
    db = open_empty_database()
    for folder in folders:
        load_run(db, read_run(folder), minute(600))
    return db
