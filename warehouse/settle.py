"""What happens after a fetch: under one lock, load what waits, mirror the alerts, publish, tidy up."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import duckdb

from warehouse.database import open_writer, writer_lock
from warehouse.home import Home
from warehouse.landed import LandedRun, Unreadable, mark_loaded, prune, read_header, set_aside, waiting
from warehouse.lines import Retype
from warehouse.load import LoadReport, load_run
from warehouse.publish import publish
from warehouse.retype import nobody
from warehouse.state import COLUMNS, Alert, State

LOCK_WAIT = 60.0  # seconds that a loader waits for another one
TRY_AGAIN = "remove the file `unreadable` from that landing to have it tried again"


def settle(
    home: Home,
    *,
    now: Callable[[], datetime],
    keep: timedelta,
    wait: float = LOCK_WAIT,
    retype: Retype = nobody,
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
            broken: list[Unreadable] = []
            runs = waiting(home.landing, broken.append)
            loaded = load_all(db, runs, now, broken.append, retype)
            state = State(home.state)
            unread = [give_up(error, state, now()) for error in broken]
            on_loaded(loaded)
            mirror_alerts(db, state)
        publish(home)
        for folder in {run.folder for run in runs} - {error.folder for error in broken}:
            mark_loaded(folder)
        prune(home.landing, keep)
    return [*loaded, *unread]


def load_all(
    db: duckdb.DuckDBPyConnection,
    runs: Sequence[LandedRun],
    now: Callable[[], datetime],
    unreadable: Callable[[Unreadable], object],
    retype: Retype = nobody,
) -> list[LoadReport]:
    """Load landings one by one; those that the database already holds are passed over."""
    reports = []
    for run in runs:
        try:
            reports.append(load_run(db, run, now(), retype))
        except Unreadable as error:
            unreadable(error)
    return [report for report in reports if report is not None]


def give_up(error: Unreadable, state: State, now: datetime) -> LoadReport:
    """Set a landing aside, raise an alert, and report it."""
    set_aside(error)
    run_id, source, basket = error.folder.name, "", ""
    with contextlib.suppress(ValueError, LookupError, TypeError):
        header = read_header(error.folder)
        source, basket = header.source, header.basket
    state.raise_alert(
        Alert("landing.unreadable", source, run_id, error.reason, guidance=TRY_AGAIN, run_id=run_id), now
    )
    return LoadReport(run_id, source, basket, "unreadable", reason=error.reason)


def mirror_alerts(db: duckdb.DuckDBPyConnection, state: State) -> None:
    """Copy the alerts to where analysts can query them."""
    db.begin()
    db.execute("DELETE FROM store.alert")
    for alert in state.alerts():
        values = [getattr(alert, name) for name in COLUMNS]
        marks = ", ".join("?" for _ in COLUMNS)
        db.execute(f"INSERT INTO store.alert ({', '.join(COLUMNS)}) VALUES ({marks})", values)  # noqa: S608
    db.commit()
