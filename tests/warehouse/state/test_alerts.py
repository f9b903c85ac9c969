"""Alerts in the state database: one open alert per cause, source and subject, raised by any process."""

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from common.sqlite_state import SqliteState
from common.state_database import StateDatabase
from common.warehouse_errors import WarehouseUnusable
from tests.support.postgres import Postgres, needs_postgres
from tests.support.states import process_environment, share
from tests.support.warehouse import create_warehouse, land, load, minute, observe, query_rows
from warehouse.paths import WarehousePaths
from warehouse.state.alerts import Alert, AlertStore
from warehouse.state.database import open_state

REVOKED = Alert(
    "auth.failed", "cs2cap", "", "the key was revoked", code="AUTH_API_KEY_REVOKED", guidance="a new key"
)
RAISE_ALERTS = """
from datetime import UTC, datetime
from tests.support.states import paths_of_process
from warehouse.state.alerts import Alert, AlertStore
from warehouse.state.database import open_state
alerts = AlertStore(open_state(paths_of_process()))
alert = Alert("auth.failed", "cs2cap", "", "revoked")
print(sum(alerts.raise_alert(alert, datetime.now(UTC)) for _ in range(50)))
"""


def test_repeat_is_counted_and_updates_the_message(state: StateDatabase) -> None:
    alerts = AlertStore(state)
    assert alerts.raise_alert(REVOKED, minute(0))
    assert not alerts.raise_alert(Alert("auth.failed", "cs2cap", "", "still revoked", run_id="b"), minute(10))

    (alert,) = alerts.list_alerts(open_only=True)
    assert (alert.message, alert.run_id, alert.repeats) == ("still revoked", "b", 1)
    assert (alert.opened_at, alert.last_at, alert.closed_at) == (minute(0), minute(10), None)


def test_alerts_of_other_causes_sources_and_subjects_are_separate(state: StateDatabase) -> None:
    alerts = AlertStore(state)
    others = [
        Alert("quota.exhausted", "cs2cap", "", "m"), Alert("auth.failed", "other", "", "m"),
        Alert("auth.failed", "cs2cap", "core", "m"),
    ]  # fmt: skip
    assert all(alerts.raise_alert(alert, minute(0)) for alert in (REVOKED, *others))
    assert alerts.resolve("auth.failed", "cs2cap", "", now=minute(1))
    assert [(a.cause, a.source, a.subject) for a in alerts.list_alerts(open_only=True)] == [
        (a.cause, a.source, a.subject) for a in reversed(others)
    ]


def test_resolved_alert_can_open_again(state: StateDatabase) -> None:
    alerts = AlertStore(state)
    alerts.raise_alert(REVOKED, minute(0))
    assert alerts.resolve("auth.failed", "cs2cap", "", now=minute(5))
    assert not alerts.resolve("auth.failed", "cs2cap", "", now=minute(6))
    assert alerts.raise_alert(REVOKED, minute(10))
    assert [(a.opened_at, a.closed_at) for a in alerts.list_alerts()] == [
        (minute(10), None),
        (minute(0), minute(5)),
    ]


def test_alert_is_cleared_by_its_number(state: StateDatabase) -> None:
    alerts = AlertStore(state)
    alerts.raise_alert(REVOKED, minute(0))
    number = alerts.list_alerts()[0].alert_id
    assert number is not None
    assert not alerts.clear(number + 1, minute(1))
    assert alerts.clear(number, minute(1))
    assert not alerts.clear(number, minute(2))
    assert alerts.list_alerts(open_only=True) == []


@pytest.mark.slow
def test_several_processes_raise_one_alert(state_paths: WarehousePaths) -> None:
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", RAISE_ALERTS, str(state_paths.root)],
            env=process_environment(state_paths),
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[3],
        )
        for _ in range(3)
    ]
    opened = [int(process.communicate(timeout=240)[0]) for process in processes]

    assert sorted(opened) == [0, 0, 1]
    assert [alert.repeats for alert in AlertStore(open_state(state_paths)).list_alerts()] == [149]


def test_view_alerts_shows_the_alerts_of_state_db(tmp_path: Path) -> None:
    paths = create_warehouse(tmp_path)
    alerts = AlertStore(open_state(paths))
    alerts.raise_alert(REVOKED, minute(0))
    land(paths, "a", observe(minute(0)))
    load(paths)
    alerts.resolve("auth.failed", "cs2cap", "", now=minute(5))
    load(paths)
    assert query_rows(paths, "SELECT cause, code, guidance, opened_at, repeats, closed_at FROM alerts") == [
        ("auth.failed", "AUTH_API_KEY_REVOKED", "a new key", minute(0), 0, minute(5))
    ]


def test_missing_folder_is_unusable(tmp_path: Path) -> None:
    with pytest.raises(WarehouseUnusable, match="cannot write to"):
        AlertStore(SqliteState(tmp_path / "missing" / "state.db"))


@needs_postgres
@pytest.mark.server
def test_machines_with_clocks_that_differ_tell_an_alert_once(tmp_path: Path, postgres: Postgres) -> None:
    url, now = postgres.create_database(), datetime.now(UTC)
    one, ahead, behind = (AlertStore(open_state(share(tmp_path, url))) for _ in range(3))
    one.raise_alert(REVOKED, now)
    assert [alert.message for alert in one.claim_undelivered("mail", now)] == ["the key was revoked"]
    assert ahead.claim_undelivered("mail", now + timedelta(minutes=6)) == []
    assert behind.claim_undelivered("mail", now - timedelta(minutes=6)) == []
