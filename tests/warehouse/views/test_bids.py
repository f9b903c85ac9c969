"""Bids (buy orders) are stored like quotes, appear only in the views of bids, and are never an ask."""

from decimal import Decimal
from pathlib import Path

import pytest

from tests.support.warehouse import Quote, create_warehouse, land_and_load, minute, observe, query_rows
from warehouse.paths import WarehousePaths


def bid(item: str = "1", cents: int = 90, count: int | None = 7, **fields: str) -> Quote:
    return Quote(item, cents, count, delivery="bid", **fields)  # type: ignore[arg-type]


@pytest.fixture
def paths(tmp_path: Path) -> WarehousePaths:
    """Return a warehouse with an ask of item 1 and bids for items 1 and 2, observed at noon."""
    paths = create_warehouse(tmp_path)
    asks = observe(minute(0), Quote("1", 100))
    land_and_load(paths, "a", asks, observe(minute(0), bid("1"), bid("2", 50, 1), deliveries=("bid",)))
    return paths


def test_bids_show_the_highest_buy_orders(paths: WarehousePaths) -> None:
    bids = (
        "SELECT provider, item_id, currency, highest_bid, price, num_bids, observed_at FROM bids ORDER BY ALL"
    )
    assert query_rows(paths, bids) == [
        ("steam", "1", "USD", 90, Decimal("0.9"), 7, minute(0)),
        ("steam", "2", "USD", 50, Decimal("0.5"), 1, minute(0)),
    ]


def test_views_of_quotes_show_no_bid(paths: WarehousePaths) -> None:
    asks = [("1", 100)]
    assert query_rows(paths, "SELECT item_id, lowest_ask FROM quotes") == asks
    assert query_rows(paths, "SELECT item_id, lowest_ask FROM quote_history") == asks
    assert query_rows(paths, "SELECT item_id, lowest_ask FROM quotes_as_of(?)", minute(5)) == asks
    assert query_rows(paths, "SELECT market_hash_name, lowest_ask FROM best_ask") == [
        ("AK-47 | Finish 1 (Field-Tested)", 100)
    ]
    assert query_rows(paths, "SELECT item_id, lowest_ask FROM quotes_in('USD')") == asks


def test_bid_changes_and_closes_separately_from_the_ask(paths: WarehousePaths) -> None:
    report = land_and_load(paths, "b", observe(minute(10), bid("1", 95), deliveries=("bid",)))
    assert (report.rows_changed, report.rows_closed) == (2, 1)
    assert query_rows(paths, "SELECT item_id, highest_bid FROM bids") == [("1", 95)]
    assert query_rows(
        paths, "SELECT item_id, highest_bid, num_bids, valid_from, valid_to FROM bid_history ORDER BY ALL"
    ) == [
        ("1", 90, 7, minute(0), minute(10)),
        ("1", 95, 7, minute(10), None),
        ("2", 50, 1, minute(0), minute(10)),
        ("2", None, 0, minute(10), None),
    ]
    assert query_rows(paths, "SELECT lowest_ask, observed_at FROM quotes") == [(100, minute(0))]


def test_observation_of_asks_closes_no_bid(paths: WarehousePaths) -> None:
    assert land_and_load(paths, "b", observe(minute(10))).rows_closed == 1
    assert query_rows(paths, "SELECT count(*) FROM bids") == [(2,)]
