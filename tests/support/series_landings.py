"""Small landings of series for the warehouse's tests: points, candles and sales of a few items."""

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

from connectors.schemas import CANDLES, POINTS, SALES
from tests.support.clocks import NOON
from tests.support.warehouse import DAY, header, load_into_memory, minute, name_of
from warehouse.landing.reader import read_run
from warehouse.landing.series import SeriesHeader, SeriesPageMeta, SeriesWriter
from warehouse.landing.writer import LandingWriter
from warehouse.loading.quotes import load_run
from warehouse.loading.run import LoadReport
from warehouse.paths import WarehousePaths

GRID = timedelta(minutes=5)


@dataclasses.dataclass(frozen=True, slots=True)
class Point:
    """What was listed at a moment."""

    at: datetime
    cents: int = 100
    quantity: int | None = 1
    item: str = "1"
    provider: str = "steam"
    name: str | None = None
    phase: str | None = None

    def row(self) -> dict[str, Any]:
        """As a frame takes it."""
        return {
            "item_id": self.item, "market_hash_name": self.name or name_of(self.item), "phase": self.phase,
            "provider": self.provider, "time": self.at,
            "lowest_ask": self.cents, "price": Decimal(self.cents) / 100, "quantity": self.quantity,
        }  # fmt: skip


@dataclasses.dataclass(frozen=True, slots=True)
class Candle:
    """One bucket of an hour."""

    at: datetime
    close: int = 100
    volume: int = 7
    quantity: int | None = 3

    def row(self) -> dict[str, Any]:
        """As a frame takes it."""
        return {
            "item_id": "1", "market_hash_name": name_of("1"), "phase": None,
            "time": self.at, "interval": "1h",
            "open": 100, "high": 120, "low": 90, "close": self.close, "volume": self.volume,
            "quantity": self.quantity, "open_provider": "steam", "high_provider": "steam",
            "low_provider": "csfloat", "close_provider": None,
        }  # fmt: skip


@dataclasses.dataclass(frozen=True, slots=True)
class Sale:
    """One sale; without a float it is like any other of its price and moment."""

    at: datetime
    cents: int = 100
    float_value: float | None = None
    stickers: str | None = None
    item: str = "1"

    def row(self) -> dict[str, Any]:
        """As a frame takes it."""
        return {
            "item_id": self.item, "market_hash_name": name_of(self.item), "phase": None,
            "provider": "skinport", "time": self.at, "price": self.cents,
            "float_value": self.float_value, "paint_seed": None,
            "stickers": self.stickers, "charms": None, "inspect": None,
        }  # fmt: skip


Row = Point | Candle | Sale
SERIES: dict[type[Row], tuple[str, pl.Schema]] = {
    Point: ("points", POINTS), Candle: ("candles", CANDLES), Sale: ("sales", SALES),
}  # fmt: skip


@dataclasses.dataclass(frozen=True, slots=True)
class Told:
    """One answer: when it was observed, its rows, and its place in its walk."""

    at: datetime
    rows: Sequence[Row]
    cursor: str | None = None
    next_cursor: str | None = None
    rejects: tuple[tuple[str, str], ...] = ()

    def mark(self, number: int) -> SeriesPageMeta:
        """What the landing notes of it."""
        oldest = min((row.at for row in self.rows), default=None)
        return SeriesPageMeta(
            number, self.cursor, self.next_cursor, self.at, self.at, oldest, len(self.rows), self.rejects
        )


def series_header(kind: type[Row] = Point, number: int = 1, **told: Any) -> SeriesHeader:
    series, _ = SERIES[kind]
    usual: dict[str, Any] = {
        "backfill_id": "b1", "shard": number, "currency": "USD", "provider": None,
        "item": ("1", name_of("1"), None), "start": NOON - DAY, "end": NOON + DAY,
        "interval": "1h" if kind is Candle else None,
    }  # fmt: skip
    return SeriesHeader(number=number, series=series, **{**usual, **told})


def frame_of(rows: Sequence[Row], kind: type[Row] = Point) -> pl.DataFrame:
    return pl.DataFrame([row.row() for row in rows], schema=SERIES[kind][1], orient="row")


def land_series(
    home: WarehousePaths,
    run_id: str,
    *pages: Told,
    kind: type[Row] = Point,
    complete: bool = True,
    **told: Any,
) -> Path:
    """Land one shard of a series in a landing of its own; its folder."""
    started = min((page.at for page in pages), default=NOON)
    run = header(run_id, started, flow="backfill", basket="b1", interval_seconds=None)
    with LandingWriter(home.landing, run) as landing:
        writer = SeriesWriter(landing.folder, series_header(kind, **told))
        for number, page in enumerate(pages):
            writer.append(page.mark(number), frame_of(page.rows, kind))
        writer.finish(complete=complete, reason=None if complete else "cut short")
        landing.finish("done", finished_at=minute(600), requests=len(pages))
    return landing.folder


def load_one(db: duckdb.DuckDBPyConnection, folder: Path) -> LoadReport:
    """Load one landing, which the database does not hold yet."""
    report = load_run(db, read_run(folder), minute(600))
    assert report is not None
    return report


@functools.cache
def _database() -> duckdb.DuckDBPyConnection:
    return load_into_memory([])


def fresh(folders: Iterable[Path] = ()) -> duckdb.DuckDBPyConnection:
    """An empty database with these landings, loaded in the order given; the one before is emptied for it."""
    db = _database()
    tables = db.execute("SELECT table_name FROM duckdb_tables() WHERE schema_name = 'store'").fetchall()
    for (table,) in tables:
        if table != "schema_version":
            db.execute(f"DELETE FROM store.{table}")
    for folder in folders:
        load_one(db, folder)
    return db
