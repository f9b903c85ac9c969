"""Candles: one an item, currency, interval and time; a newer look replaces the one that was still open."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.series_landings import Candle, Told, fresh, land_series, load_one
from tests.support.warehouse import home_in, minute, name_of
from warehouse.paths import WarehousePaths


@pytest.fixture
def home(tmp_path: Path) -> WarehousePaths:
    return home_in(tmp_path)


def told(home: WarehousePaths, run_id: str, at: float, *candles: Candle) -> Path:
    return land_series(home, run_id, Told(minute(at), candles), kind=Candle)


def test_a_candle_is_as_it_was_told(home: WarehousePaths) -> None:
    db = fresh([told(home, "a", 100, Candle(minute(60), 110, 7, None))])
    assert db.execute("FROM candles").fetchall() == [
        ("cs2cap", "1", name_of("1"), None, "USD", "1h", minute(60), 100, 120, 90, 110, 7, None,
         "steam", "steam", "csfloat", None, "a"),
    ]  # fmt: skip
    assert db.execute("SELECT count(*) FROM providers").fetchall() == [(0,)]


def test_the_one_that_was_open_is_replaced(home: WarehousePaths) -> None:
    db = fresh([])
    first = load_one(db, told(home, "a", 70, Candle(minute(0), 100), Candle(minute(60), 101)))
    later = (Candle(minute(0), 100), Candle(minute(60), 105), Candle(minute(120), 99))
    again = load_one(db, told(home, "b", 130, *later))
    assert (first.rows_changed, again.rows_changed) == (2, 2)
    held = "SELECT time, interval, close, run_id FROM candles ORDER BY time"
    assert db.execute(held).fetchall() == [
        (minute(0), "1h", 100, "b"), (minute(60), "1h", 105, "b"), (minute(120), "1h", 99, "b"),
    ]  # fmt: skip


def test_either_order_of_loading_gives_the_same(home: WarehousePaths) -> None:
    landed = [
        told(home, "a", 70, Candle(minute(60), 101)),
        told(home, "b", 80, Candle(minute(60), 102, 8)),
        told(home, "c", 80, Candle(minute(60), 102, 9)),
    ]
    for order in (landed, landed[::-1]):
        db = fresh(order)
        assert db.execute("SELECT close, volume, run_id FROM candles").fetchall() == [(102, 9, "c")]
