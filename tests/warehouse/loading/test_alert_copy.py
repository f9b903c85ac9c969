"""The history of alerts in the warehouse, which keeps what `state.db` prunes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.warehouse import DAY, Quote, create_warehouse, land, minute, observe, query_rows
from warehouse.loading.pipeline import load_pending
from warehouse.paths import WarehousePaths
from warehouse.rebuild import rebuild
from warehouse.state.alerts import Alert, AlertStore
from warehouse.state.database import open_state

ALERTS = "SELECT subject, closed_at IS NULL FROM alerts ORDER BY alert_id"


def dark(provider: str) -> Alert:
    return Alert("provider.dark", "cs2cap", provider, "it is down")


def load_on_day(paths: WarehousePaths, day: int) -> None:
    load_pending(paths, now=lambda: minute(0) + day * DAY, keep=DAY, keep_alerts=180 * DAY, wait=0)


@pytest.fixture
def paths(tmp_path: Path) -> WarehousePaths:
    """Return a warehouse with an alert that is over, one that is open, and a load of each of their states."""
    paths = create_warehouse(tmp_path)
    alerts = AlertStore(open_state(paths))
    alerts.raise_alert(dark("steam"), minute(0))
    alerts.raise_alert(dark("buff163"), minute(1))
    land(paths, "a", observe(minute(0), Quote()))
    load_on_day(paths, 0)
    alerts.resolve("provider.dark", "cs2cap", "steam", now=minute(0) + DAY)
    load_on_day(paths, 1)
    return paths


def test_load_copies_new_alerts_and_the_end_of_open_ones(paths: WarehousePaths) -> None:
    assert query_rows(paths, ALERTS) == [("steam", False), ("buff163", True)]


@pytest.mark.file_warehouse("a rebuild makes the database's file anew")
@pytest.mark.slow
def test_pruned_alerts_stay_in_the_warehouse_and_in_a_rebuilt_one(paths: WarehousePaths) -> None:
    load_on_day(paths, 182)
    assert [alert.subject for alert in AlertStore(open_state(paths)).list_alerts()] == ["buff163"]
    for _ in range(2):
        load_on_day(paths, 183)
        assert query_rows(paths, ALERTS) == [("steam", False), ("buff163", True)]
        rebuild(paths, lambda: minute(0) + 184 * DAY, wait=0)
        assert query_rows(paths, ALERTS) == [("steam", False), ("buff163", True)]
