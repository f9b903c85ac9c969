"""What the collection is watched by: quotes that nobody looks at any more, and the share that is listed."""

from pathlib import Path

import pytest

from tests.support.warehouse import Quote, home_in, look, minute, rows, snapshot
from warehouse.paths import WarehousePaths


@pytest.fixture
def home(tmp_path: Path) -> WarehousePaths:
    """Return a warehouse in which a basket at one marketplace was removed half an hour ago."""
    home = home_in(tmp_path)
    snapshot(home, "a", look(minute(0), Quote("1"), Quote("2"), Quote("3"), Quote("4")), basket="removed")
    snapshot(home, "b", look(minute(31), Quote("1", provider="buff163"), providers=("buff163",)))
    return home


def test_what_nobody_looked_at_for_three_intervals_is_stale(home: WarehousePaths) -> None:
    assert rows(
        home, "SELECT item_id, provider, observed_at, fresh_until FROM stale_quotes ORDER BY ALL"
    ) == [(item, "steam", minute(0), minute(30)) for item in "1234"]
    snapshot(home, "c", look(minute(40), Quote("1"), Quote("2"), Quote("3"), Quote("4")))
    assert rows(home, "SELECT count(*) FROM stale_quotes") == [(0,)]


def test_coverage_is_the_share_of_the_known_items(home: WarehousePaths) -> None:
    assert rows(home, "FROM coverage ORDER BY ALL") == [
        ("cs2cap", "buff163", "USD", "standard", 1, 1, 4, 0.25, minute(31)),
        ("cs2cap", "steam", "USD", "standard", 4, 0, 4, 1.0, minute(0)),
    ]
