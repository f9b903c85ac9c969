"""Load the landings of all machines of a shared warehouse, in the order in which they were observed.

Each machine uploads what it landed. Whoever holds the lease of the loader then empties the queue, and looks
once more after giving the lease back: a landing that was uploaded meanwhile may have no other loader.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import pyarrow as pa

from common.process_limits import require_threads
from common.warehouse_errors import WarehouseLocked
from warehouse.database import writer_lock
from warehouse.holdings import Holding, store_holdings
from warehouse.lake.maintenance import merge_due_files
from warehouse.landing.inventory import Landing, mark_uploaded, pending_landings, prune, read_landings
from warehouse.landing.model import RunHeader
from warehouse.landing.ndjson import RowParser
from warehouse.landing.queue import LandingQueue, QueuedLanding
from warehouse.landing.reader import CRASHED, CorruptLanding, read_run
from warehouse.lease import IsHeld
from warehouse.loading.alert_copy import copy_alerts
from warehouse.loading.failures import close_alerts, report_failure, settle_failure
from warehouse.loading.loader import Loader
from warehouse.loading.run import LoadReport
from warehouse.paths import WarehousePaths
from warehouse.shared import SharedLocation
from warehouse.state.alerts import AlertStore
from warehouse.state.backfills import BackfillStore
from warehouse.state.database import open_state
from warehouse.state.recovery import recover_landing

# Landings on the disk of the loader at a time. They leave the queue together, where others see the progress.
BATCH: Final = 4


class QueueLoader:
    """Uploads what a machine landed, and loads the queue of all machines.

    `now` is this machine's clock (UTC); `row_parser` parses raw rows; `on_loaded` gets the reports of a round
    before the alerts are copied. The `holdings` replace the stored ones, unless they are None.
    """

    def __init__(
        self,
        paths: WarehousePaths,
        shared: SharedLocation,
        *,
        now: Callable[[], datetime],
        row_parser: RowParser,
        on_loaded: Callable[[Sequence[LoadReport]], None],
        holdings: Sequence[Holding] | None = None,
    ) -> None:
        self._paths, self._shared = paths, shared
        self._now, self._row_parser, self._on_loaded = now, row_parser, on_loaded
        self._holdings = holdings
        self._queue = LandingQueue(shared)
        self._alerts = AlertStore(open_state(paths))
        self._backfills = BackfillStore(paths, now)
        self._not_loaded: set[str] = set()  # runs that are tried again by a later call

    def run(self, wait: float, *, patient: bool, keep: timedelta, keep_alerts: timedelta) -> list[LoadReport]:
        """Upload, load, and prune what is older than `keep` and `keep_alerts`; return the reports.

        Raises as `upload` and `load`.
        """
        reports = self.load(wait, self.upload(keep), patient=patient)
        self._alerts.prune(self._now(), keep_alerts)
        return reports

    def upload(self, keep: timedelta) -> list[LoadReport]:
        """Upload the landings of this machine that nobody writes any more; report the damaged ones.

        The last pages of a backfill that was killed here count from then on, whichever machine resumes it.
        Landings that were uploaded before `keep` are deleted on this machine. Raises ObjectStoreUnavailable
        and ObjectStoreRefused; what was not uploaded stays pending.
        """
        failures: list[CorruptLanding] = []
        for landing in pending_landings(self._paths.landing, failures.append):
            try:
                run = read_run(landing.folder)
            except CorruptLanding as error:
                failures.append(error)
                continue
            self._queue.add(run)
            if run.done["state"] == CRASHED["state"]:
                recover_landing(self._backfills, landing.folder, landing.header)
            mark_uploaded(landing.folder)
        prune(self._paths.landing, keep)
        return [settle_failure(error, self._alerts, self._now()) for error in failures]

    def load(self, wait: float, refused: Sequence[LoadReport], *, patient: bool) -> list[LoadReport]:
        """Load the queue until it is empty; return the reports, `refused` among them.

        A machine that does not load (`load = false`) leaves the queue to the others.
        Waits `wait` seconds for the lease of another loader, and if it is `patient`, as long as that loader
        loads something every `wait` seconds: it loads the landings of this machine, too. Raises
        WarehouseError; what was not loaded stays in the queue.
        """
        if not self._shared.load:
            self._on_loaded(refused)
            return list(refused)
        reports: list[LoadReport] = []
        news = list(refused)
        is_first = True
        while is_first or self._list_waiting():
            with contextlib.ExitStack() as lease:
                if (is_held := self._take_lease(lease, wait, patient=patient)) is None:
                    self._on_loaded(news)
                    return [*reports, *news]
                # Where Arrow cannot start its threads, DuckDB waits for them for ever.
                require_threads(pa.cpu_count() + 1)
                with Loader(
                    self._paths.loader_database, self._now, self._row_parser, is_held=is_held
                ) as loader:
                    while waiting := self._list_waiting()[:BATCH]:
                        news += self._load_batch(loader, waiting)
                    self._on_loaded(news)
                    copy_alerts(loader.db, self._alerts)
                    store_holdings(loader.db, self._holdings)
                    merge_due_files(loader.db)
            reports, news, is_first = [*reports, *news], [], False
        return reports

    def _take_lease(self, lease: contextlib.ExitStack, wait: float, *, patient: bool) -> IsHeld | None:
        """Hold the lease until `lease` ends, and return whether it is held, as a function.

        Returns None where others have loaded all that waited. Raises WarehouseLocked.
        """
        waiting = set(self._list_waiting())
        while True:
            try:
                return lease.enter_context(writer_lock(self._paths, wait))
            except WarehouseLocked:
                left = waiting.intersection(self._list_waiting())
                if not left:
                    return None
                if not patient or left == waiting:
                    raise
                waiting = left

    def _list_waiting(self) -> list[QueuedLanding]:
        return [queued for queued in self._queue.list_waiting() if queued.run_id not in self._not_loaded]

    def _load_batch(self, loader: Loader, waiting: Sequence[QueuedLanding]) -> list[LoadReport]:
        failures: list[CorruptLanding] = []
        landings = self._fetch(waiting, failures.append)
        loaded = loader.load(landings, failures.append)
        refused = [report_failure(error, self._alerts, self._now()) for error in failures]
        reasons = {error.folder.name: error for error in failures}
        headers = {landing.header.run_id: landing.header for landing in landings}
        for queued in waiting:
            self._settle(queued, reasons.get(queued.run_id), headers.get(queued.run_id))
        close_alerts(set(headers) - set(reasons), self._alerts, self._now())
        return [*loaded, *refused]

    def _fetch(
        self, waiting: Sequence[QueuedLanding], on_failure: Callable[[CorruptLanding], None]
    ) -> list[Landing]:
        """Download landings; the tries of a loader of this machine that was killed lie beside them."""
        folders: list[Path] = []
        for queued in waiting:
            try:
                folders.append(self._queue.fetch(queued, self._paths.fetched))
            except FileNotFoundError:  # a loader that this one overtook had loaded it
                self._not_loaded.add(queued.run_id)
            except CorruptLanding as error:
                on_failure(error)
        return read_landings(folders, on_failure)

    def _settle(self, queued: QueuedLanding, error: CorruptLanding | None, header: RunHeader | None) -> None:
        """Move a landing out of the queue: it was loaded now or before, or it cannot be loaded."""
        if queued.run_id in self._not_loaded:
            return
        if error is not None and error.may_heal:
            self._not_loaded.add(queued.run_id)
            return
        if error is None:
            self._queue.mark_loaded(queued, self._now())
        else:
            self._queue.set_aside(queued, error.reason, header)
        shutil.rmtree(self._paths.fetched / queued.run_id, ignore_errors=True)
