"""Small landings for the warehouse's tests: quotes, looks at them, and what the database then says."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import polars as pl

from tests.support.clocks import NOON
from warehouse.database import migrate
from warehouse.landing.model import PageMeta, RunHeader, ShardHeader
from warehouse.landing.reader import read_run
from warehouse.landing.writer import LandingWriter
from warehouse.loading.pipeline import load_pending
from warehouse.loading.quotes import load_run
from warehouse.loading.run import LoadReport
from warehouse.paths import WarehousePaths
from warehouse.queries import run_query

DAY = timedelta(days=1)
UTC_MOMENT = pl.Datetime("us", "UTC")
COLUMNS = pl.Schema(
    {
        "item_id": pl.String(), "market_hash_name": pl.String(), "phase": pl.String(),
        "provider": pl.String(), "delivery": pl.String(),
        "lowest_ask": pl.Int64(), "price": pl.Decimal(20, 8), "quantity": pl.Int64(),
        "timestamp": UTC_MOMENT, "last_updated": UTC_MOMENT, "url": pl.String(),
    }
)  # fmt: skip
Named = tuple[str | None, str, str | None]


def minute(number: float) -> datetime:
    """The moment so many minutes after noon."""
    return NOON + timedelta(minutes=number)


def name_of(item: str) -> str:
    return f"AK-47 | Finish {item} (Field-Tested)"


@dataclasses.dataclass(frozen=True, slots=True)
class Quote:
    """One row of a page. `cents` gives the price, unless an exact one is given."""

    item: str = "1"
    cents: int = 100
    quantity: int | None = 1
    provider: str = "steam"
    stamp: datetime | None = NOON
    updated: datetime | None = NOON
    name: str | None = None
    phase: str | None = None
    price: Decimal | None = None
    url: str | None = None
    delivery: str = "standard"

    def row(self) -> dict[str, Any]:
        """As a frame takes it."""
        return {
            "item_id": self.item,
            "market_hash_name": self.name or name_of(self.item),
            "phase": self.phase,
            "provider": self.provider,
            "delivery": self.delivery,
            "lowest_ask": self.cents,
            "price": self.price if self.price is not None else Decimal(self.cents) / 100,
            "quantity": self.quantity,
            "timestamp": self.stamp,
            "last_updated": self.updated,
            "url": self.url,
        }


def frame(quotes: Sequence[Quote]) -> pl.DataFrame:
    return pl.DataFrame([quote.row() for quote in quotes], schema=COLUMNS, orient="row")


@dataclasses.dataclass(frozen=True, slots=True)
class Page:
    """One answer, and its (reason, raw text) rejects."""

    at: datetime
    quotes: Sequence[Quote]
    offset: int = 0
    request: int = 0
    rejects: Sequence[tuple[str, str]] = ()

    def mark(self) -> PageMeta:
        """Where it belongs."""
        total, rejects = len(self.quotes), tuple(self.rejects)
        return PageMeta(self.request, self.offset, total, self.at, self.at, "", rejects)


@dataclasses.dataclass(frozen=True, slots=True)
class Shard:
    """What one shard asked for and got. Without `items` it is a whole catalog."""

    pages: Sequence[Page]
    currency: str = "USD"
    providers: tuple[str, ...] = ("steam",)
    items: tuple[Named, ...] | None = None
    complete: bool = True
    deliveries: tuple[str, ...] = ("standard",)
    listing: bool = False

    def header(self, number: int) -> ShardHeader:
        """What it asks for."""
        return ShardHeader(number, self.currency, self.deliveries, self.providers, self.items, self.listing)


def look(
    at: datetime, *quotes: Quote, items: tuple[Named, ...] | None = None, complete: bool = True, **told: Any
) -> Shard:
    """A shard of one page."""
    rejects = told.pop("rejects", ())
    return Shard([Page(at, quotes, rejects=rejects)], items=items, complete=complete, **told)


def named(*items: str) -> tuple[Named, ...]:
    return tuple((item, name_of(item), None) for item in items)


def home_in(folder: Path) -> WarehousePaths:
    home = WarehousePaths(folder)
    home.prepare()
    return home


def header(run_id: str, started_at: datetime, **told: Any) -> RunHeader:
    usual = {"flow": "snapshot", "source": "cs2cap", "basket": "all", "interval_seconds": 600}
    return RunHeader(**{**usual, **told}, run_id=run_id, started_at=started_at)


def land(
    home: WarehousePaths,
    run_id: str,
    *shards: Shard,
    state: str | None = "done",
    facts: Any = None,
    **told: Any,
) -> Path:
    """Land a run whole; its folder. With `state=None` the process died before it could say how it ended."""
    started = told.pop("started_at", min((p.at for s in shards for p in s.pages), default=NOON))
    with LandingWriter(home.landing, header(run_id, started, **told)) as landing:
        for number, shard in enumerate(shards, 1):
            writer = landing.open_shard(shard.header(number))
            for page in shard.pages:
                writer.append(page.mark(), frame(page.quotes))
            if state is not None:
                writer.finish(complete=shard.complete, reason=None if shard.complete else "cut short")
        if state is not None:
            landing.finish(state, **(facts or {}))
    return landing.folder


def load(home: WarehousePaths) -> list[LoadReport]:
    """Settle what waits; nothing is pruned and nobody is waited for."""
    return load_pending(home, now=lambda: minute(600), keep=365 * DAY, wait=0)


def snapshot(home: WarehousePaths, run_id: str, *shards: Shard, **told: Any) -> LoadReport:
    """Land and load one run."""
    land(home, run_id, *shards, **told)
    return load(home)[0]


def rows(home: WarehousePaths, query: str, *parameters: object) -> list[tuple[Any, ...]]:
    return list(run_query(home, query, parameters).rows)


def prices(home: WarehousePaths) -> dict[str, Decimal]:
    """What is listed now: price by item, of one provider and currency."""
    return dict(rows(home, "SELECT item_id, price FROM quotes"))


def history(home: WarehousePaths, item: str = "1") -> list[tuple[Any, ...]]:
    """(minutes after noon, price in cents or None, quantity) of one item, in order of time."""
    found = rows(
        home,
        "SELECT valid_from, price, quantity FROM quote_history WHERE item_id = ? ORDER BY valid_from",
        item,
    )
    return [((at - NOON).total_seconds() / 60, price and price * 100, count) for at, price, count in found]


def dump(home: WarehousePaths) -> dict[str, list[tuple[Any, ...]]]:
    """Everything the facts hold but when it was loaded, to compare one database with another."""
    facts = ("observation", "current", "history", "reject", "fx_rate")
    tables = ("item", "provider", "scope", "scope_item", *facts)
    held = {name: rows(home, f"FROM store.{name} ORDER BY ALL") for name in tables}
    return {**held, "run": rows(home, "SELECT * EXCLUDE (loaded_at) FROM store.run ORDER BY ALL")}


def load_into_memory(folders: Iterable[Path]) -> duckdb.DuckDBPyConnection:
    """A database in memory with these landings, loaded in the order given."""
    db = duckdb.connect(config={"threads": 1})
    db.execute("SET TimeZone = 'UTC'")
    migrate(db, Path("memory"))
    for folder in folders:
        load_run(db, read_run(folder), minute(600))
    return db
