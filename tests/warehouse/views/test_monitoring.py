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


def test_coverage_is_the_share_of_the_known_items(paths: WarehousePaths) -> None:
    assert query_rows(paths, "FROM coverage ORDER BY ALL") == [
        ("cs2cap", "buff163", "USD", "standard", 1, 1, 4, 0.25, minute(31)),
        ("cs2cap", "steam", "USD", "standard", 4, 0, 4, 1.0, minute(0)),
    ]
