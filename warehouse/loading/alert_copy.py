"""Copy the alerts of state.db to store.alert, the history of all alerts, which `state.db` prunes."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence
from typing import Any, Final

import duckdb

from common.warehouse_errors import WarehouseError
from warehouse.paths import WarehousePaths
from warehouse.published import is_published
from warehouse.queries.runner import run_query
from warehouse.state.alerts import ALERT_COLUMNS, PUBLISHED_ALERTS, AlertStore
from warehouse.transactions import transaction

COLUMNS: Final = ", ".join(ALERT_COLUMNS)
SELECT: Final = f"SELECT {COLUMNS} FROM store.alert"  # noqa: S608 - our own column names
INSERT: Final = f"INSERT INTO store.alert ({COLUMNS}) VALUES ({', '.join('?' for _ in ALERT_COLUMNS)})"  # noqa: S608


def copy_alerts(db: duckdb.DuckDBPyConnection, alerts: AlertStore) -> None:
    """Bring store.alert up to date with state.db; alerts that state.db has pruned stay in store.alert."""
    rows = [tuple(getattr(alert, name) for name in ALERT_COLUMNS) for alert in alerts.list_alerts()]
    # An alert that is closed changes no more: a load copies what was open, and what is new.
    closed_at, number = ALERT_COLUMNS.index("closed_at"), ALERT_COLUMNS.index("alert_id")
    stored = {row[number]: row for row in db.execute(SELECT).fetchall()}
    current = {row[number]: row for row in rows if row[closed_at] is None}
    was_open = {alert_id: row for alert_id, row in stored.items() if row[closed_at] is None}
    if was_open == current and all(row[number] in stored for row in rows):
        return  # most loads: a lake would write a file for nothing
    with transaction(db):
        db.execute("DELETE FROM store.alert WHERE closed_at IS NULL")
        _insert_missing(db, rows)


def take_over_alerts(db: duckdb.DuckDBPyConnection, paths: WarehousePaths) -> None:
    """Copy from the published copy, if there is one that can be read, the alerts that store.alert lacks."""
    if not is_published(paths):
        return
    with contextlib.suppress(WarehouseError):
        rows = run_query(paths, PUBLISHED_ALERTS).rows
        with transaction(db):  # closed_at: state.db has the open ones
            _insert_missing(db, (row for row in rows if row[-1] is not None))


def _insert_missing(db: duckdb.DuckDBPyConnection, rows: Iterable[Sequence[Any]]) -> None:
    """Insert the rows, in the order of ALERT_COLUMNS, whose number store.alert does not have."""
    number = ALERT_COLUMNS.index("alert_id")
    known = {alert_id for (alert_id,) in db.execute("SELECT alert_id FROM store.alert").fetchall()}
    for row in rows:
        if row[number] not in known:
            db.execute(INSERT, list(row))
