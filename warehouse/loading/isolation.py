"""Load one landing by itself, in a process of its own: a crash of that process harms no other landing."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Final

import duckdb

from common.warehouse_errors import LoaderOvertaken, WarehouseFull, WarehouseLocked
from common.worker_process import Worker, WorkerDied
from warehouse.database import open_writer
from warehouse.landing.ndjson import RowParser
from warehouse.landing.reader import CorruptLanding, LandedRun, is_shortage, read_run
from warehouse.loading.quotes import load_run
from warehouse.loading.run import LoadReport
from warehouse.paths import Database

# A single thread needs less memory at once; what exceeds the limit goes to a file beside the database.
SETTINGS: Final = ("SET threads = 1", "SET memory_limit = '1GB'")
# Far longer than the largest landing takes; a disk that does not answer must not hold the lock for ever.
LOAD_SECONDS: Final = 3_600.0
# Somebody ended the process, which says nothing of the landing. SIGKILL comes from the system, too.
ENDED_BY_PEOPLE: Final = frozenset({-signal.SIGTERM, -signal.SIGINT, -signal.SIGHUP, -signal.SIGQUIT})


class NotTried(Exception):
    """The process of a load could not be started, or somebody ended it. The text says which."""


def load_by_itself(
    database: Database, folder: Path, now: datetime, *, row_parser: RowParser
) -> LoadReport | None:
    """Load the landing in a folder as `load_landing` does, in a new process that opens the database.

    Raises what `load_landing` raises, CorruptLanding for a process that died, NotTried and WarehouseError.
    """
    try:
        with _worker() as worker:
            return worker.call(_load, database, folder, now, row_parser)
    except WorkerDied as died:
        reason = f"the process that loaded it {died}"
        if died.exit_code is None or died.exit_code in ENDED_BY_PEOPLE:
            raise NotTried(reason) from None
        raise CorruptLanding(folder, reason, may_heal=True) from None


def load_landing(
    db: duckdb.DuckDBPyConnection, run: LandedRun, now: datetime, *, row_parser: RowParser
) -> LoadReport | None:
    """Load a landing; return None where the database holds the run already.

    Raises CorruptLanding for every error but those that another landing would meet, too.
    """
    try:
        return load_run(db, run, now, row_parser=row_parser)
    except CorruptLanding:
        raise
    except Exception as error:
        if _concerns_every_landing(error):
            raise
        raise CorruptLanding.from_error(run.folder, error, may_heal=True) from error


@contextlib.contextmanager
def _worker() -> Iterator[Worker]:
    worker = Worker(__name__, quiet=True, limit=LOAD_SECONDS)
    try:
        yield worker
    except BaseException:  # Ctrl-C ends the load, too
        worker.kill()
        raise
    finally:
        worker.stop()


def _load(database: Database, folder: Path, now: datetime, row_parser: RowParser) -> LoadReport | None:
    with open_writer(database) as db:
        for setting in SETTINGS:
            db.execute(setting)
        return load_landing(db, read_run(folder), now, row_parser=row_parser)


def _concerns_every_landing(error: Exception) -> bool:
    """Return whether an error comes from the disk, the database, its lock or a shortage of the machine."""
    if isinstance(error, duckdb.OutOfMemoryException):
        return "max_temp_directory_size" in str(error)  # the disk is full
    if isinstance(error, OSError):
        return is_shortage(error)
    kinds = (WarehouseFull, WarehouseLocked, LoaderOvertaken, duckdb.IOException, duckdb.FatalException)
    return isinstance(error, kinds)
