"""Every view of items starts with `item`, which is never null: views are joined by it."""

from decimal import Decimal
from pathlib import Path

import pytest

from tests.support.series_landings import Candle, Point, Sale, SeriesPage, land_series
from tests.support.warehouse import (
    Quote,
    create_warehouse,
    item_name,
    land_and_load,
    load,
    minute,
    observe,
    query_rows,
)
from warehouse.paths import WarehousePaths

KNIFE = "★ Karambit | Doppler (Factory New)"
RUBY = f"{KNIFE} @ Ruby"
VIEWS = (
    "quotes", "quote_history", "quotes_as_of('2026-06-01 12:05:00Z')",
    "quote_history_since('2026-06-01 12:00:00Z')", "bids", "bid_history", "items",
    "quotes_in('USD')", "best_ask", "stale_quotes", "price_points", "candles", "sales", "spreads",
    "item_names", "best_spreads", "price_outliers", "movers('1 hour')", "price_vs_median(7)", "daily_ohlc",
    "best_ask_daily_ohlc", "liquidity",
)  # fmt: skip


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> WarehousePaths:
    """Return a warehouse with asks and bids of an item without phases and of a knife's phase, and series."""
    paths = create_warehouse(tmp_path_factory.mktemp("warehouse"))
    asks = (Quote("1", 120), Quote("11", 900, name=KNIFE, phase="Ruby"))
    bids = (Quote("1", 90, delivery="bid"), Quote("11", 800, name=KNIFE, phase="Ruby", delivery="bid"))
    land_and_load(paths, "a", observe(minute(0), *asks), observe(minute(0), *bids, deliveries=("bid",)))
    ruby = Point(minute(5), item="11", name=KNIFE, phase="Ruby")
    land_series(paths, "points", SeriesPage(minute(9), [Point(minute(5)), ruby]))
    land_series(paths, "candles", SeriesPage(minute(9), [Candle(minute(0))]), kind=Candle)
    land_series(paths, "sales", SeriesPage(minute(9), [Sale(minute(0))]), kind=Sale)
    load(paths)
    return paths


@pytest.mark.parametrize("view", VIEWS)
def test_item_is_the_first_column_and_the_name_with_the_phase(paths: WarehousePaths, view: str) -> None:
    assert query_rows(paths, f"DESCRIBE FROM {view}")[0][:2] == ("item", "VARCHAR")
    expected = "market_hash_name || CASE WHEN phase IS NULL THEN '' ELSE ' @ ' || phase END"
    assert query_rows(paths, f"FROM {view} WHERE item IS DISTINCT FROM {expected}") == []


def test_join_by_item_keeps_items_with_and_without_a_phase(paths: WarehousePaths) -> None:
    query = "SELECT item, q.price, b.price FROM quotes q JOIN best_ask b USING (item) ORDER BY ALL"
    joined = [(item_name("1"), Decimal("1.2"), Decimal("1.2")), (RUBY, Decimal(9), Decimal(9))]
    assert query_rows(paths, query) == joined
    query = "SELECT item, highest_bid, i.phase FROM bids JOIN items i USING (item) ORDER BY ALL"
    assert query_rows(paths, query) == [(item_name("1"), 90, None), (RUBY, 800, "Ruby")]
    query = "SELECT count(*) FROM quote_history JOIN price_points USING (item)"
    assert query_rows(paths, query) == [(4,)]


def test_candles_have_exact_prices_beside_their_minor_units(paths: WarehousePaths) -> None:
    query = "SELECT open, open_price, high_price, low_price, close_price FROM candles"
    prices = (Decimal(1), Decimal("1.2"), Decimal("0.9"), Decimal(1))
    assert query_rows(paths, query) == [(100, *prices)]


def test_candles_of_a_converted_currency_have_no_exact_price(tmp_path: Path) -> None:
    paths = create_warehouse(tmp_path)
    land_series(paths, "candles", SeriesPage(minute(9), [Candle(minute(0))]), kind=Candle, currency="EUR")
    load(paths)
    assert query_rows(paths, "SELECT open, close, open_price, close_price FROM candles") == [
        (100, 100, None, None)
    ]
