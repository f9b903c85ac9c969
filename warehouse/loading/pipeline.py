"""Load what a fetch landed: under one lock, load pending landings, copy the alerts, publish, prune."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path

import duckdb

from warehouse.database import open_writer, writer_lock
from warehouse.integrity import is_whole
from warehouse.landing.conversion import no_parser
from warehouse.landing.ndjson import RowParser
from warehouse.landing.reader import (
    CorruptLanding,
    LandedRun,
    list_landings,
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
from warehouse.restoration import restore_writer
from warehouse.state.alerts import ALERT_COLUMNS, CHECK_DISK, RESTORED, Alert, AlertStore

LOCK_WAIT = 60.0  # seconds to wait for another loader
RETRY_ADVICE = "remove the file `unreadable` from that landing to load it again"


def load_pending(
    paths: WarehousePaths,
    *,
    now: Callable[[], datetime],
    keep: timedelta,
    wait: float = LOCK_WAIT,
    row_parser: RowParser = no_parser,
    on_loaded: Callable[[Sequence[LoadReport]], None] = lambda _: None,
) -> list[LoadReport]:
    """Load every pending landing in the order of observation, publish, and prune; return the reports.

    A corrupt landing is quarantined with an alert; its report follows those of the loads. `on_loaded` gets
    the reports before the alerts are copied, so that the alerts that it raises are published too. A database
    that is missing, damaged or short is brought back from the published copy, with an alert. Raises
    DatabaseUnreadable and DatabaseIncomplete where that is not possible, WarehouseLocked, WarehouseFull and
    WarehouseUnusable; what was not loaded stays pending.
    """
    with writer_lock(paths, wait):
        restored = restore_writer(paths, now())
        with open_writer(paths.writer) as db:
            forget_lost_loads(db, paths.landing)
            corrupt: list[CorruptLanding] = []
            runs = pending_landings(paths.landing, corrupt.append)
            loaded = load_runs(db, runs, now, on_corrupt=corrupt.append, row_parser=row_parser)
            alerts = AlertStore(paths.state)
            if restored is not None:
                alerts.raise_alert(_restored(restored), now())
            quarantined = [quarantine_landing(error, alerts, now()) for error in corrupt]
            on_loaded([*loaded, *quarantined])
            copy_alerts(db, alerts)
        publish(paths)
        # After the publish: the load after a kill in between skips the loaded runs, but publishes them.
        for folder in {run.folder for run in runs} - {error.folder for error in corrupt}:
            mark_loaded(folder)
        prune(paths.landing, keep)
    return [*loaded, *quarantined]


def republish(paths: WarehousePaths, now: datetime, wait: float = LOCK_WAIT) -> None:
    """Make a damaged published copy anew, with an alert. Raises what `load_pending` raises."""
    with writer_lock(paths, wait):
        restored = restore_writer(paths, now)
        if restored is None and is_whole(paths.published, paths.checksum):
            return  # another process was faster
        publish(paths)
        message = restored or f"{paths.published} was damaged: it was made anew from {paths.writer}"
        AlertStore(paths.state).raise_alert(_restored(message), now)


def _restored(message: str) -> Alert:
    return Alert(RESTORED, "", "", message, guidance=CHECK_DISK)


def load_runs(
    db: duckdb.DuckDBPyConnection,
    runs: Sequence[LandedRun],
    now: Callable[[], datetime],
    *,
    on_corrupt: Callable[[CorruptLanding], object],
    row_parser: RowParser = no_parser,
) -> list[LoadReport]:
    """Load landings one by one; skip those that the database already holds."""
    reports = []
    for run in runs:
        try:
            reports.append(load_run(db, run, now(), row_parser=row_parser))
        except CorruptLanding as error:
            on_corrupt(error)
    return [report for report in reports if report is not None]


def quarantine_landing(error: CorruptLanding, alerts: AlertStore, now: datetime) -> LoadReport:
    """Quarantine a landing, raise an alert, and report it."""
    quarantine(error)
    run_id, source, basket = error.folder.name, "", ""
    with contextlib.suppress(ValueError):
        header = read_header(error.folder)
        source, basket = header.source, header.basket
    alert = Alert(
        cause="landing.unreadable",
        source=source,
        subject=run_id,
        message=error.reason,
        guidance=RETRY_ADVICE,
        run_id=run_id,
    )
    alerts.raise_alert(alert, now)
    return LoadReport(run_id, source, basket, state="unreadable", reason=error.reason)


def forget_lost_loads(db: duckdb.DuckDBPyConnection, landings: Path) -> None:
    """Remove the mark `loaded` from landings that the database does not hold: an older file was restored."""
    loaded = [folder.name for folder in list_landings(landings) if (folder / "loaded").exists()]
    lost = db.execute("SELECT unnest(?::VARCHAR[]) EXCEPT SELECT run_id FROM store.run", [loaded]).fetchall()
    for (run_id,) in lost:
        (landings / run_id / "loaded").unlink(missing_ok=True)


def copy_alerts(db: duckdb.DuckDBPyConnection, alerts: AlertStore) -> None:
    """Replace store.alert by the alerts of state.db, for analysts."""
    db.begin()
    db.execute("DELETE FROM store.alert")
    placeholders = ", ".join("?" for _ in ALERT_COLUMNS)
    insert = f"INSERT INTO store.alert ({', '.join(ALERT_COLUMNS)}) VALUES ({placeholders})"  # noqa: S608
    for alert in alerts.list_alerts():
        db.execute(insert, [getattr(alert, name) for name in ALERT_COLUMNS])
    db.commit()
