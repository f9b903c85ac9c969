"""Small landings of series for tests of the warehouse: a few points, candles, sales and daily points."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import polars as pl

from connectors.schemas import CANDLES, DAILY, POINTS, SALES
from tests.support.clocks import NOON
from tests.support.lake_warehouses import lakes_in_use
from tests.support.warehouse import DAY, item_name, load_into_memory, minute, run_header
from warehouse.landing.reader import read_run
from warehouse.landing.series import SeriesHeader, SeriesPageMeta, SeriesWriter
from warehouse.landing.writer import LandingWriter
from warehouse.loading.quotes import load_run
from warehouse.loading.run import LoadReport
from warehouse.paths import WarehousePaths

GRID = timedelta(minutes=5)


@dataclasses.dataclass(frozen=True, slots=True)
class Point:
    """The ask of an item at one time."""

    at: datetime
    cents: int = 100
    quantity: int | None = 1
    item: str = "1"
    provider: str = "steam"
    name: str | None = None
    phase: str | None = None

    def row(self) -> dict[str, Any]:
        """Return the row by the column names of a frame."""
        return {
            "item_id": self.item, "market_hash_name": self.name or item_name(self.item), "phase": self.phase,
            "provider": self.provider, "time": self.at,
            "lowest_ask": self.cents, "price": Decimal(self.cents) / 100, "quantity": self.quantity,
        }  # fmt: skip


@dataclasses.dataclass(frozen=True, slots=True)
class Candle:
    """A candle, of one hour unless `interval` says otherwise."""

    at: datetime
    close: int = 100
    volume: int = 7
    quantity: int | None = 3
    item: str = "1"
    name: str | None = None
    interval: str = "1h"

    def row(self) -> dict[str, Any]:
        """Return the row by the column names of a frame."""
        return {
            "item_id": self.item, "market_hash_name": self.name or item_name(self.item), "phase": None,
            "time": self.at, "interval": self.interval,
            "open": 100, "high": 120, "low": 90, "close": self.close, "volume": self.volume,
            "quantity": self.quantity, "open_provider": "steam", "high_provider": "steam",
            "low_provider": "csfloat", "close_provider": None,
        }  # fmt: skip


@dataclasses.dataclass(frozen=True, slots=True)
class Sale:
    """A sale; without a float value it equals any other of the same price and time."""

    at: datetime
    cents: int = 100
    float_value: float | None = None
    stickers: str | None = None
    item: str = "1"
    name: str | None = None
    provider: str = "skinport"

    def row(self) -> dict[str, Any]:
        """Return the row by the column names of a frame."""
        return {
            "item_id": self.item, "market_hash_name": self.name or item_name(self.item), "phase": None,
            "provider": self.provider, "time": self.at, "price": self.cents,
            "float_value": self.float_value, "paint_seed": None,
            "stickers": self.stickers, "charms": None, "inspect": None,
        }  # fmt: skip


@dataclasses.dataclass(frozen=True, slots=True)
class DailyPoint(Point):
    """The closing price of a UTC day, which begins `at` this time."""

    def row(self) -> dict[str, Any]:
        """Return the row by the column names of a frame."""
        row = Point.row(self)
        return {"amount": self.cents, **{name: row[name] for name in DAILY if name != "amount"}}


Row = Point | Candle | Sale | DailyPoint
SERIES: dict[type[Row], tuple[str, pl.Schema]] = {
    Point: ("points", POINTS), Candle: ("candles", CANDLES), Sale: ("sales", SALES),
    DailyPoint: ("daily", DAILY),
}  # fmt: skip


@dataclasses.dataclass(frozen=True, slots=True)
class SeriesPage:
    """One page of a response: the time of observation, the rows and the cursors.

    Without `landed_at`, this machine's clock and the source's agree.
    """

    at: datetime
    rows: Sequence[Row]
    cursor: str | None = None
    next_cursor: str | None = None
    rejects: tuple[tuple[str, str], ...] = ()
    landed_at: datetime | None = None

    def meta(self, number: int) -> SeriesPageMeta:
        """Return the metadata of the page."""
        oldest = min((row.at for row in self.rows), default=None)
        return SeriesPageMeta(
            number=number,
            cursor=self.cursor,
            next_cursor=self.next_cursor,
            observed_at=self.at,
            landed_at=self.landed_at or self.at,
            oldest=oldest,
            rows=len(self.rows),
            rejects=self.rejects,
        )


def series_header(kind: type[Row] = Point, number: int = 1, **fields: Any) -> SeriesHeader:
    series, _ = SERIES[kind]
    defaults: dict[str, Any] = {
        "backfill_id": "b1", "shard": number, "currency": "USD", "provider": None,
        "item": ("1", item_name("1"), None), "start": NOON - DAY, "end": NOON + DAY,
        "interval": "1h" if kind is Candle else None,
    }  # fmt: skip
    return SeriesHeader(number=number, series=series, **{**defaults, **fields})


def series_frame(rows: Sequence[Row], kind: type[Row] = Point) -> pl.DataFrame:
    return pl.DataFrame([row.row() for row in rows], schema=SERIES[kind][1], orient="row")


def land_series(
    paths: WarehousePaths,
    run_id: str,
    *pages: SeriesPage,
    kind: type[Row] = Point,
    complete: bool = True,
    **fields: Any,
) -> Path:
    """Land a run with one shard of a series; return its folder."""
    started_at = min((page.at for page in pages), default=NOON)
    header = run_header(run_id, started_at, flow="backfill", basket="b1", interval_seconds=None)
    with LandingWriter(paths.landing, header) as landing:
        writer = SeriesWriter(landing.folder, series_header(kind, **fields))
        for number, page in enumerate(pages):
            writer.append(page.meta(number), series_frame(page.rows, kind))
        writer.finish(complete=complete, reason=None if complete else "cut short")
        landing.finish("done", finished_at=minute(600), requests=len(pages))
    return landing.folder


def load_landing(db: duckdb.DuckDBPyConnection, folder: Path) -> LoadReport:
    """Load a landing that the database does not hold."""
    report = load_run(db, read_run(folder), minute(600))
    assert report is not None
    return report


@functools.cache
def _database() -> duckdb.DuckDBPyConnection:
    return load_into_memory([])


def database_with(folders: Iterable[Path] = ()) -> duckdb.DuckDBPyConnection:
    """Empty the database that the tests share, load these landings in this order, and return it.

    A lake is not emptied, but a new one: deleting the rows of all tables takes longer.
    """
    if lakes_in_use():
        return load_into_memory(folders)
    db = _database()
    tables = db.execute("SELECT table_name FROM duckdb_tables() WHERE schema_name = 'store'").fetchall()
    for (table,) in tables:
        if table not in ("schema_version", "views_made"):
            db.execute(f'DELETE FROM store."{table}"')
    for folder in folders:
        load_landing(db, folder)
    return db
