"""Load what a fetch landed: under one lock, load pending landings, copy the alerts, publish, prune."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import duckdb
import pyarrow as pa

from common.files import to_json
from common.process_limits import require_threads
from warehouse.database import writer_lock
from warehouse.holdings import Holding, store_holdings
from warehouse.integrity import is_whole
from warehouse.landing.conversion import no_parser
from warehouse.landing.inventory import (
    is_loaded,
    list_landings,
    mark_loaded,
    mark_pending,
    pending_landings,
    prune,
)
from warehouse.landing.ndjson import RowParser
from warehouse.landing.reader import CorruptLanding
from warehouse.loading.alert_copy import copy_alerts
from warehouse.loading.failures import close_alerts, settle_failure
from warehouse.loading.loader import Loader
from warehouse.loading.run import LoadReport
from warehouse.paths import WarehousePaths
from warehouse.publish import publish
from warehouse.restoration import find_published_base, restore_writer
from warehouse.state.alerts import CHECK_DISK, RESTORED, Alert, AlertStore
from warehouse.state.database import open_state

LOCK_WAIT = 60.0  # seconds to wait for another loader
KEEP_ALERTS: Final = timedelta(days=180)  # after they closed, in state.db


def load_pending(  # noqa: PLR0913 - each parameter is a decision of the caller
    paths: WarehousePaths,
    *,
    now: Callable[[], datetime],
    keep: timedelta,
    keep_alerts: timedelta = KEEP_ALERTS,
    wait: float = LOCK_WAIT,
    patient: bool = False,
    row_parser: RowParser = no_parser,
    on_loaded: Callable[[Sequence[LoadReport]], None] = lambda _: None,
    holdings: Sequence[Holding] | None = None,
) -> list[LoadReport]:
    """Load every pending landing in the order of observation, publish, and prune; return the reports.

    A landing that cannot be loaded stops no other: it is set aside with an alert, at once where its files are
    damaged, otherwise after some tries. Its report follows those of the loads. `on_loaded` gets the reports
    before the alerts are copied, so that the alerts that it raises are published too. The `holdings` replace
    the stored ones, unless they are None. A `patient` loader of a shared warehouse waits for longer than
    `wait` seconds while another one empties the queue. A database that is missing, damaged or short is
    brought back from the published copy, with an alert. Raises
    DatabaseUnreadable and DatabaseIncomplete where that is not possible, WarehouseLocked, WarehouseFull,
    WarehouseUnusable and ResourceExhausted; what was not loaded stays pending.
    """
    if paths.shared is not None:
        from warehouse.loading.queue_loading import QueueLoader  # only a shared warehouse has a queue

        queue = QueueLoader(
            paths, paths.shared, now=now, row_parser=row_parser, on_loaded=on_loaded, holdings=holdings
        )
        return queue.run(wait, patient=patient, keep=keep, keep_alerts=keep_alerts)
    failures: list[CorruptLanding] = []
    with writer_lock(paths, wait):
        # Where Arrow cannot start its threads, DuckDB waits for them for ever.
        require_threads(pa.cpu_count() + 1)
        base = find_published_base(paths)
        restored = None if base else restore_writer(paths, now())
        with Loader(paths.writer, now, row_parser) as loader:
            forget_lost_loads(loader.db, paths.landing)
            landings = pending_landings(paths.landing, failures.append)
            loaded = loader.load(landings, failures.append)
            alerts = AlertStore(open_state(paths))
            if restored is not None:
                alerts.raise_alert(restored_alert(restored), now())
            refused = [settle_failure(error, alerts, now()) for error in failures]
            folders = {landing.folder for landing in landings} - {error.folder for error in failures}
            close_alerts({folder.name for folder in folders}, alerts, now())
            on_loaded([*loaded, *refused])
            copy_alerts(loader.db, alerts)
            store_holdings(loader.db, holdings)
        publish(paths, base)
        alerts.prune(now(), keep_alerts)  # only now: the published copy has them
        # After the publish: the load after a kill in between skips the loaded runs, but publishes them.
        for folder in folders:
            mark_loaded(folder)
        prune(paths.landing, keep)
    return [*loaded, *refused]


def republish(paths: WarehousePaths, now: datetime, wait: float = LOCK_WAIT) -> None:
    """Make a damaged published copy anew, with an alert; a lake has none. Raises as `load_pending`."""
    if paths.shared is not None:
        return
    with writer_lock(paths, wait):
        restored = restore_writer(paths, now)
        if restored is None and is_whole(paths.published, paths.checksum):
            return  # another process was faster
        publish(paths)
        message = restored or f"{paths.published} was damaged: it was made anew from {paths.writer}"
        AlertStore(open_state(paths)).raise_alert(restored_alert(message), now)


def restored_alert(message: str) -> Alert:
    """Return the alert that says how `restore_writer` brought the loader's database back."""
    return Alert(RESTORED, "", "", message, guidance=CHECK_DISK)


def forget_lost_loads(db: duckdb.DuckDBPyConnection, landings: Path) -> None:
    """Remove the mark `loaded` from landings that the database does not hold: an older file was restored."""
    loaded = [folder.name for folder in list_landings(landings) if is_loaded(folder)]
    ids = to_json(loaded).decode()  # DuckDB binds a list of values one by one
    lost = db.execute(
        "SELECT unnest(from_json(?, '[\"VARCHAR\"]')) EXCEPT SELECT run_id FROM store.run", [ids]
    ).fetchall()
    for (run_id,) in lost:
        mark_pending(landings / run_id)
