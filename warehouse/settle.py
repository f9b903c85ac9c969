"""What happens after a fetch: under one lock, load what waits, mirror the alerts, publish, tidy up."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path

import duckdb

from warehouse.database import open_writer, writer_lock
from warehouse.home import Home, write_whole
from warehouse.landed import LandedRun, prune, waiting
from warehouse.load import LoadReport, load_run
from warehouse.publish import publish
from warehouse.state import COLUMNS, State

LOCK_WAIT = 60.0  # seconds that a loader waits for another one


def settle(
    home: Home,
    *,
    now: Callable[[], datetime],
    keep: timedelta,
    wait: float = LOCK_WAIT,
    on_loaded: Callable[[Sequence[LoadReport]], None] = lambda _: None,
) -> list[LoadReport]:
    """Load every landing that waits, in the order of observation, and publish. What was loaded, in that order.

    `on_loaded` hears of the loads before the alerts are mirrored, so that what it raises is published too.
    Raises WarehouseLocked and WarehouseFull; what could not be loaded waits for the next call.
    """
    with writer_lock(home, wait):
        loaded = []
        with open_writer(home.writer) as db:
            runs = waiting(home.landing)
            loaded = load_all(db, runs, now)
            on_loaded(loaded)
            mirror_alerts(db, State(home.state))
        publish(home)
        for run in runs:
            mark_loaded(run.folder)
        prune(home.landing, keep)
    return loaded


def load_all(
    db: duckdb.DuckDBPyConnection, runs: Sequence[LandedRun], now: Callable[[], datetime]
) -> list[LoadReport]:
    """Load landings one by one; those that the database already holds are passed over."""
    reports = [load_run(db, run, now()) for run in runs]
    return [report for report in reports if report is not None]


def mirror_alerts(db: duckdb.DuckDBPyConnection, state: State) -> None:
    """Copy the alerts to where analysts can query them."""
    db.begin()
    db.execute("DELETE FROM store.alert")
    for alert in state.alerts():
        values = [getattr(alert, name) for name in COLUMNS]
        marks = ", ".join("?" for _ in COLUMNS)
        db.execute(f"INSERT INTO store.alert ({', '.join(COLUMNS)}) VALUES ({marks})", values)  # noqa: S608
    db.commit()


def mark_loaded(folder: Path) -> None:
    """Note on a landing that the database holds it."""
    write_whole(folder / "loaded", b"")
