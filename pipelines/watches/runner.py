"""Run watches, each within its time limit, in a process of their own: nothing of a query harms the caller."""

from __future__ import annotations

import contextlib
import resource
from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from common.errors import ConfigError
from common.text import format_exact_duration
from common.warehouse_errors import QueryRejected
from common.worker_process import Worker, WorkerDied, WorkerTimedOut
from pipelines.config import WatchSettings
from warehouse.paths import WarehousePaths
from warehouse.queries.watched_rows import WatchedRows

START_SECONDS: Final = 60.0
# Of the process, in bytes: the limit of DuckDB does not count all of what a query takes.
MOST_MEMORY: Final = 4_000_000_000
NO_ROWS: Final = WatchedRows((), (), ())


class WatchResult(Struct, frozen=True):
    """What a watch found; or the `failure` of its query, in one phrase, and no rows."""

    watch: WatchSettings
    found: WatchedRows = NO_ROWS
    failure: str = ""


class WatchesStopped(Exception):
    """Somebody has stopped the watches while they ran."""


class WatchProcess:
    """The process of the watches: started when it is needed, and again after it was ended."""

    def __init__(self) -> None:
        self._worker: Worker | None = None
        self._stopped = False

    def find(self, paths: WarehousePaths, watch: WatchSettings) -> WatchedRows:
        """Return what a watch finds. Raises what `find_matches` raises, WorkerDied and WatchesStopped."""
        try:
            return self._call(paths, watch)
        except WorkerDied:
            self.close()
            self._raise_if_stopped()
            raise

    def stop(self) -> None:
        """End the query that runs in another thread, and let it run no other one."""
        self._stopped = True
        if self._worker is not None:
            self._worker.kill()

    def close(self) -> None:
        """End the process."""
        if self._worker is not None:
            self._worker.kill()
            self._worker.stop()
            self._worker = None

    def _call(self, paths: WarehousePaths, watch: WatchSettings) -> WatchedRows:
        self._raise_if_stopped()
        if self._worker is None:
            self._worker = Worker(__name__, quiet=True, limit=START_SECONDS)
            self._raise_if_stopped()
        limit = watch.time_limit.total_seconds()
        return self._worker.call(find_within_limit, paths, watch, limit=limit)

    def _raise_if_stopped(self) -> None:
        if self._stopped:
            raise WatchesStopped


def run_watches(
    paths: WarehousePaths, watches: Sequence[WatchSettings], process: WatchProcess | None = None
) -> list[WatchResult]:
    """Run watches one after the other on the published database; in this process, or in a new one.

    Raises NotPublished, PublishedUnreadable and WarehouseUnusable, which are no query's fault, and
    WatchesStopped.
    """
    with contextlib.closing(process or WatchProcess()) as own:
        return [_run(own, paths, watch) for watch in watches]


def find_within_limit(paths: WarehousePaths, watch: WatchSettings) -> WatchedRows:
    """Limit the memory of this process, then return what `find_matches` returns. Run it in a worker only."""
    from pipelines.watches.conditions import find_matches  # only this process needs what that imports

    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    limits = [limit for limit in (soft, MOST_MEMORY) if limit != resource.RLIM_INFINITY]
    resource.setrlimit(resource.RLIMIT_DATA, (min(limits), hard))
    return find_matches(paths, watch)


def _run(process: WatchProcess, paths: WarehousePaths, watch: WatchSettings) -> WatchResult:
    try:
        return WatchResult(watch, process.find(paths, watch))
    except WorkerTimedOut:
        failure = f"it was ended after {format_exact_duration(watch.time_limit)}, its time limit"
    except WorkerDied as died:
        failure = f"its process {died}"
    except QueryRejected as error:
        failure = error.detail.partition("\n")[0]
    except ConfigError as error:
        failure = f"the record does not have it: {error.detail}"
    return WatchResult(watch, failure=failure)
