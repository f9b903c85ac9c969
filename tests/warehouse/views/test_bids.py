"""Buy orders: stored as quotes are, shown as bids, and never taken for something to buy."""

from decimal import Decimal
from pathlib import Path

import pytest

from tests.support.warehouse import Quote, home_in, look, minute, rows, snapshot
from warehouse.paths import WarehousePaths


def bid(item: str = "1", cents: int = 90, count: int | None = 7, **told: str) -> Quote:
    return Quote(item, cents, count, delivery="bid", **told)  # type: ignore[arg-type]


@pytest.fixture
def home(tmp_path: Path) -> WarehousePaths:
    """Return a warehouse that has seen asks of item 1 and bids of items 1 and 2 at noon."""
    home = home_in(tmp_path)
    asks = look(minute(0), Quote("1", 100))
    snapshot(home, "a", asks, look(minute(0), bid("1"), bid("2", 50, 1), deliveries=("bid",)))
    return home


def test_bids_show_what_is_offered(home: WarehousePaths) -> None:
    shown = (
        "SELECT provider, item_id, currency, highest_bid, price, num_bids, observed_at FROM bids ORDER BY ALL"
    )
    assert rows(home, shown) == [
        ("steam", "1", "USD", 90, Decimal("0.9"), 7, minute(0)),
        ("steam", "2", "USD", 50, Decimal("0.5"), 1, minute(0)),
    ]


def test_nothing_else_shows_a_bid(home: WarehousePaths) -> None:
    asks = [("1", 100)]
    assert rows(home, "SELECT item_id, lowest_ask FROM quotes") == asks
    assert rows(home, "SELECT item_id, lowest_ask FROM quote_history") == asks
    assert rows(home, "SELECT item_id, lowest_ask FROM quotes_as_of(?)", minute(5)) == asks
    assert rows(home, "SELECT market_hash_name, lowest_ask FROM best_ask") == [
        ("AK-47 | Finish 1 (Field-Tested)", 100)
    ]
    assert rows(home, "SELECT item_id, lowest_ask FROM quotes_in('USD')") == asks


def test_a_bid_changes_and_closes_apart_from_the_ask(home: WarehousePaths) -> None:
    moved = snapshot(home, "b", look(minute(10), bid("1", 95), deliveries=("bid",)))
    assert (moved.rows_changed, moved.rows_closed) == (2, 1)
    assert rows(home, "SELECT item_id, highest_bid FROM bids") == [("1", 95)]
    assert rows(
        home, "SELECT item_id, highest_bid, num_bids, valid_from, valid_to FROM bid_history ORDER BY ALL"
    ) == [
        ("1", 90, 7, minute(0), minute(10)),
        ("1", 95, 7, minute(10), None),
        ("2", 50, 1, minute(0), minute(10)),
        ("2", None, 0, minute(10), None),
    ]
    assert rows(home, "SELECT lowest_ask, observed_at FROM quotes") == [(100, minute(0))]


def test_a_look_at_asks_closes_no_bid(home: WarehousePaths) -> None:
    assert snapshot(home, "b", look(minute(10))).rows_closed == 1
    assert rows(home, "SELECT count(*) FROM bids") == [(2,)]
