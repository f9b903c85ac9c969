"""The views to monitor the collection: stale quotes, and the share of the listed items."""

from pathlib import Path

import pytest

from tests.support.warehouse import Quote, create_warehouse, land_and_load, minute, observe, query_rows
from warehouse.paths import WarehousePaths


@pytest.fixture
def paths(tmp_path: Path) -> WarehousePaths:
    """Return a warehouse whose basket at one marketplace was observed last half an hour ago."""
    paths = create_warehouse(tmp_path)
    land_and_load(
        paths, "a", observe(minute(0), Quote("1"), Quote("2"), Quote("3"), Quote("4")), basket="removed"
    )
    land_and_load(paths, "b", observe(minute(31), Quote("1", provider="buff163"), providers=("buff163",)))
    return paths


def test_quotes_without_an_observation_for_three_intervals_are_stale(paths: WarehousePaths) -> None:
    stale = "SELECT item_id, provider, observed_at, fresh_until FROM stale_quotes ORDER BY ALL"
    assert query_rows(paths, stale) == [(item, "steam", minute(0), minute(30)) for item in "1234"]
    land_and_load(paths, "c", observe(minute(40), Quote("1"), Quote("2"), Quote("3"), Quote("4")))
    assert query_rows(paths, "SELECT count(*) FROM stale_quotes") == [(0,)]


def test_quotes_and_bids_tell_whether_they_are_fresh(paths: WarehousePaths) -> None:
    bids = observe(minute(31), Quote("1", delivery="bid"), deliveries=("bid",))
    land_and_load(paths, "bids", bids)
    fresh = "SELECT provider, fresh, count(*) FROM quotes GROUP BY ALL ORDER BY ALL"
    assert query_rows(paths, fresh) == [("buff163", True, 1), ("steam", False, 4)]
    assert query_rows(paths, "SELECT fresh FROM bids") == [(True,)]


def test_share_of_each_currency_and_delivery_is_at_most_one(tmp_path: Path) -> None:
    paths = create_warehouse(tmp_path)
    asks = (Quote("1"), Quote("2"), Quote("1", delivery="instant"), Quote("9", name="K", phase="Ruby"))
    dollars = observe(minute(0), *asks, deliveries=("standard", "instant"))
    aggregate = observe(minute(0), Quote("8", name="K"), items=(("8", "K", None),))
    land_and_load(paths, "a", dollars, aggregate, observe(minute(0), Quote("1"), currency="EUR"))
    coverage = "SELECT currency, delivery, listed, items, share FROM coverage ORDER BY ALL"
    assert query_rows(paths, coverage) == [
        ("EUR", "standard", 1, 3, pytest.approx(1 / 3)),
        ("USD", "instant", 1, 3, pytest.approx(1 / 3)),
        ("USD", "standard", 3, 3, 1.0),
    ]


def test_coverage_is_the_share_of_the_known_items(paths: WarehousePaths) -> None:
    assert query_rows(paths, "FROM coverage ORDER BY ALL") == [
        ("cs2cap", "buff163", "USD", "standard", 1, 1, 4, 0.25, minute(31)),
        ("cs2cap", "steam", "USD", "standard", 4, 0, 4, 1.0, minute(0)),
    ]
