"""What happens after a fetch: under one lock, load what waits, mirror the alerts, publish, tidy up."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import duckdb

from warehouse.database import open_writer, writer_lock
from warehouse.landing.conversion import no_parser
from warehouse.landing.ndjson import RowParser
from warehouse.landing.reader import (
    CorruptLanding,
    LandedRun,
    mark_loaded,
    pending_landings,
    prune,
    quarantine,
    read_header,
)
from warehouse.loading.quotes import load_run
from warehouse.loading.run import LoadReport
from warehouse.paths import WarehousePaths
from warehouse.publish import publish
from warehouse.state.alerts import ALERT_COLUMNS, Alert, AlertStore

LOCK_WAIT = 60.0  # seconds that a loader waits for another one
RETRY_ADVICE = "remove the file `unreadable` from that landing to have it tried again"


def load_pending(
    home: WarehousePaths,
    *,
    now: Callable[[], datetime],
    keep: timedelta,
    wait: float = LOCK_WAIT,
    retype: RowParser = no_parser,
    on_loaded: Callable[[Sequence[LoadReport]], None] = lambda _: None,
) -> list[LoadReport]:
    """Load every landing that waits, in the order of observation, and publish; the loads, in that order.

    A landing that cannot be read is set aside, with an alert and, after the loads, a report that says why.
    `retype` reads lines that cannot be taken as they are. `on_loaded` hears of the loads before the alerts
    are mirrored, so that what it raises is published too. Raises WarehouseLocked, WarehouseFull and
    WarehouseUnfit; what was not loaded waits for the next call.
    """
    with writer_lock(home, wait):
        with open_writer(home.writer) as db:
            broken: list[CorruptLanding] = []
            runs = pending_landings(home.landing, broken.append)
            loaded = load_runs(db, runs, now, broken.append, retype)
            state = AlertStore(home.state)
            unread = [quarantine_landing(error, state, now()) for error in broken]
            on_loaded(loaded)
            copy_alerts(db, state)
        publish(home)
        for folder in {run.folder for run in runs} - {error.folder for error in broken}:
            mark_loaded(folder)
        prune(home.landing, keep)
    return [*loaded, *unread]


def load_runs(
    db: duckdb.DuckDBPyConnection,
    runs: Sequence[LandedRun],
    now: Callable[[], datetime],
    unreadable: Callable[[CorruptLanding], object],
    retype: RowParser = no_parser,
) -> list[LoadReport]:
    """Load landings one by one; those that the database already holds are passed over."""
    reports = []
    for run in runs:
        try:
            reports.append(load_run(db, run, now(), retype))
        except CorruptLanding as error:
            unreadable(error)
    return [report for report in reports if report is not None]


def quarantine_landing(error: CorruptLanding, state: AlertStore, now: datetime) -> LoadReport:
    """Set a landing aside, raise an alert, and report it."""
    quarantine(error)
    run_id, source, basket = error.folder.name, "", ""
    with contextlib.suppress(ValueError):
        header = read_header(error.folder)
        source, basket = header.source, header.basket
    state.raise_alert(
        Alert("landing.unreadable", source, run_id, error.reason, guidance=RETRY_ADVICE, run_id=run_id), now
    )
    return LoadReport(run_id, source, basket, "unreadable", reason=error.reason)


def copy_alerts(db: duckdb.DuckDBPyConnection, state: AlertStore) -> None:
    """Copy the alerts to where analysts can query them."""
    db.begin()
    db.execute("DELETE FROM store.alert")
    for alert in state.list_alerts():
        values = [getattr(alert, name) for name in ALERT_COLUMNS]
        marks = ", ".join("?" for _ in ALERT_COLUMNS)
        db.execute(f"INSERT INTO store.alert ({', '.join(ALERT_COLUMNS)}) VALUES ({marks})", values)  # noqa: S608
    db.commit()
