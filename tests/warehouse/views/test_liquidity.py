"""`liquidity` counts sales and trades back from the newest answer; a sale that is told twice counts once."""

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from tests.support.asks_model import records
from tests.support.series_landings import Candle, Sale, SeriesPage, land_series
from tests.support.warehouse import Quote, item_name, land, load_into_memory, minute, observe
from warehouse.paths import WarehousePaths

END = minute(0)
HOURS = (1, 23, 24, 50, 167, 168, 700, 721)


def before(hours: int) -> datetime:
    return END - timedelta(hours=hours)


@pytest.fixture
def paths(tmp_path: Path) -> WarehousePaths:
    return WarehousePaths(tmp_path)


def test_sales_are_counted_by_marketplace_once(paths: WarehousePaths) -> None:
    sales = [Sale(before(hours), hours, provider="csfloat") for hours in HOURS]
    others = [Sale(before(3), provider="buff163"), Sale(before(3), provider="buff163", item="2")]
    runs = [
        land(paths, "run", observe(END, Quote("1"))),
        land_series(paths, "dollars", SeriesPage(END, [*sales, *others]), kind=Sale),
        land_series(paths, "euros", SeriesPage(END, sales[1:4]), kind=Sale, currency="EUR"),
    ]
    rows = records(load_into_memory(runs), "FROM liquidity ORDER BY item")
    assert [row["item"] for row in rows] == [item_name("1"), item_name("2")]
    expected = [sum(hours < 24 * days for hours in HOURS) + 1 for days in (1, 7, 30)]
    assert [rows[0][f"sales_{days}d"] for days in (1, 7, 30)] == expected == [3, 6, 8]
    assert [rows[1][f"sales_{days}d"] for days in (1, 7, 30)] == [1, 1, 1]
    assert rows[0]["volume_1d"] is None


def test_trades_of_candles_of_several_lengths_count_once(paths: WarehousePaths) -> None:
    hourly = [Candle(before(hours), volume=hours, quantity=hours) for hours in HOURS]
    daily = [Candle(before(24 * days), volume=40, interval="1d", quantity=None) for days in (0, 1, 2, 40)]
    runs = [
        land(paths, "run", observe(END, Quote("1"))),
        land_series(paths, "hours", SeriesPage(END, hourly), kind=Candle),
        land_series(paths, "days", SeriesPage(END, daily), kind=Candle, interval="1d"),
    ]
    ((row),) = records(load_into_memory(runs), "FROM liquidity")
    assert [row[f"volume_{days}d"] for days in (1, 7, 30)] == [40, 265, 1133]
    assert [row[f"quantity_{days}d"] for days in (1, 7, 30)] == pytest.approx([12, 265 / 5, 1133 / 7])
    assert row["sales_30d"] is None


def test_windows_count_back_from_the_newest_answer_of_the_source(paths: WarehousePaths) -> None:
    runs = [
        land_series(paths, "sales", SeriesPage(END, [Sale(before(1))]), kind=Sale),
        land(paths, "run", observe(minute(3 * 1440), Quote("1"))),
    ]
    ((row),) = records(load_into_memory(runs), "FROM liquidity")
    assert [row[f"sales_{days}d"] for days in (1, 7, 30)] == [0, 1, 1]
