"""Candles: one per item, currency, interval and time; a newer observation replaces an open candle."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from tests.support.series_landings import Candle, SeriesPage, database_with, land_series, load_landing
from tests.support.warehouse import create_warehouse, item_name, minute
from warehouse.paths import WarehousePaths


@pytest.fixture
def paths(tmp_path: Path) -> WarehousePaths:
    return create_warehouse(tmp_path)


def land_candles(paths: WarehousePaths, run_id: str, at: float, *candles: Candle) -> Path:
    return land_series(paths, run_id, SeriesPage(minute(at), candles), kind=Candle)


def test_candle_is_stored_as_landed(paths: WarehousePaths) -> None:
    db = database_with([land_candles(paths, "a", 100, Candle(minute(60), 110, 7, quantity=None))])
    assert db.execute("FROM candles").fetchall() == [
        (item_name("1"), "cs2cap", "1", item_name("1"), None, "USD", "1h", minute(60), 100, 120, 90, 110,
         1, Decimal("1.2"), Decimal("0.9"), Decimal("1.1"), 7, None, "steam", "steam", "csfloat", None, "a"),
    ]  # fmt: skip
    assert db.execute("SELECT count(*) FROM providers").fetchall() == [(0,)]


def test_open_candle_is_replaced_by_the_next_observation(paths: WarehousePaths) -> None:
    db = database_with([])
    first = load_landing(db, land_candles(paths, "a", 70, Candle(minute(0), 100), Candle(minute(60), 101)))
    second_candles = (Candle(minute(0), 100), Candle(minute(60), 105), Candle(minute(120), 99))
    second = load_landing(db, land_candles(paths, "b", 130, *second_candles))
    assert (first.rows_changed, second.rows_changed) == (2, 2)
    query = "SELECT time, interval, close, run_id FROM candles ORDER BY time"
    assert db.execute(query).fetchall() == [
        (minute(0), "1h", 100, "b"), (minute(60), "1h", 105, "b"), (minute(120), "1h", 99, "b"),
    ]  # fmt: skip


def test_order_of_loading_does_not_matter(paths: WarehousePaths) -> None:
    folders = [
        land_candles(paths, "a", 70, Candle(minute(60), 101)),
        land_candles(paths, "b", 80, Candle(minute(60), 102, 8)),
        land_candles(paths, "c", 80, Candle(minute(60), 102, 9)),
    ]
    for order in (folders, folders[::-1]):
        db = database_with(order)
        assert db.execute("SELECT close, volume, run_id FROM candles").fetchall() == [(102, 9, "c")]
