"""Rebuild the database from the landings, and from the old database what these do not hold any more."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import shutil
from collections.abc import Callable, Collection, Iterator
from datetime import datetime
from itertools import chain, count
from pathlib import Path

from common.errors import WarehouseUnusable
from common.files import translate_os_errors
from warehouse.database import open_writer, writer_lock
from warehouse.landing.conversion import no_parser
from warehouse.landing.ndjson import RowParser
from warehouse.landing.reader import (
    CorruptLanding,
    LandedRun,
    is_being_written,
    list_landings,
    mark_loaded,
    read_landings,
)
from warehouse.loading.forgetting import forget_runs
from warehouse.loading.pipeline import LOCK_WAIT, copy_alerts, load_runs, quarantine_landing
from warehouse.paths import WarehousePaths
from warehouse.publish import publish
from warehouse.state.alerts import AlertStore
from warehouse.state.backfills import BackfillStore
from warehouse.state.recovery import discard_lost_shards


@dataclasses.dataclass(frozen=True, slots=True)
class RebuildResult:
    """What a rebuild did: the number of landings on disk, and of runs that were taken over.

    `aside` is the file that holds the previous database.
    """

    runs: int
    aside: Path | None
    taken_over: int = 0


def rebuildable_landings(
    paths: WarehousePaths, on_corrupt: Callable[[CorruptLanding], object] = lambda _: None
) -> list[LandedRun]:
    """Return the finished landings on disk, in the order of their observations."""
    return read_landings(
        [folder for folder in list_landings(paths.landing) if not is_being_written(folder)], on_corrupt
    )


def rebuild(
    paths: WarehousePaths,
    now: Callable[[], datetime],
    wait: float = LOCK_WAIT,
    *,
    row_parser: RowParser = no_parser,
) -> RebuildResult:
    """Load the landings into a new database, keep the previous one as a backup, and publish the new one.

    Runs without a landing, and runs before those, are taken over from the old database, or from the published
    copy where the old database cannot be read. Quarantined landings are tried again. Raises WarehouseLocked,
    WarehouseFull, and WarehouseUnusable where neither file can be read: the landings alone may be less than
    what there was.
    """
    rebuilt = paths.writer.with_name("rebuild.duckdb")
    with writer_lock(paths, wait), _temporary_database(rebuilt):
        corrupt: list[CorruptLanding] = []
        runs = rebuildable_landings(paths, corrupt.append)
        taken_over = _take_over(paths, rebuilt, {run.header.run_id for run in runs})
        with open_writer(rebuilt) as db:
            load_runs(db, runs, now, on_corrupt=corrupt.append, row_parser=row_parser)
            alerts = AlertStore(paths.state)
            for error in corrupt:
                quarantine_landing(error, alerts, now())
            copy_alerts(db, alerts)
        loaded = {run.folder for run in runs} - {error.folder for error in corrupt}
        if not taken_over:
            # Before the swap: a kill in between costs repeated requests, but no rows.
            discard_lost_shards(BackfillStore(paths.state, now), loaded)
        backup = _keep_backup(paths.writer, now())
        rebuilt.replace(paths.writer)
        publish(paths)
        for folder in loaded:
            mark_loaded(folder)
    return RebuildResult(len(loaded), backup, taken_over)


def _take_over(paths: WarehousePaths, rebuilt: Path, landed: Collection[str]) -> int:
    """Copy the old database to `rebuilt`, but no run that will be loaded again; return how many runs.

    Leaves no file where nothing need be taken over.
    """
    old = [path for path in (paths.writer, paths.published) if path.exists()]
    for path in old:
        # A full disk is no reason to fall back on an older file: only what cannot be read is passed over.
        with contextlib.suppress(WarehouseUnusable):
            _copy_database(path, rebuilt)
            with open_writer(rebuilt) as db:
                kept = forget_runs(db, landed)
            if not kept:
                _remove_database(rebuilt)
            return kept
        _remove_database(rebuilt)
    if old:
        raise WarehouseUnusable(
            f"{' and '.join(map(str, old))} cannot be read, and may hold more than the {len(landed)} landings"
            " on disk: restore a backup, or move these files away to rebuild from the landings alone",
            paths.writer,
        )
    return 0


@contextlib.contextmanager
def _temporary_database(path: Path) -> Iterator[None]:
    """Delete a database before and after; a rename in between keeps it."""
    _remove_database(path)
    try:
        yield
    finally:
        _remove_database(path)


def _remove_database(path: Path) -> None:
    for file in (path, path.with_name(path.name + ".wal")):
        file.unlink(missing_ok=True)


def _copy_database(path: Path, target: Path) -> None:
    """Copy a database that no process has open, with the write-ahead log that a killed writer left."""
    log = path.with_name(path.name + ".wal")
    with translate_os_errors(target):
        shutil.copyfile(path, target)
        target.chmod(0o644)
        if log.exists():
            shutil.copyfile(log, target.with_name(target.name + ".wal"))


def _keep_backup(path: Path, now: datetime) -> Path | None:
    """Link the database under a second name, so that the first one is never missing; return the backup.

    The write-ahead log that a killed writer left belongs to the backup and moves with it.
    """
    if not path.exists():
        return None
    stem = f"market.before-{now:%Y%m%dT%H%M%SZ}"
    # Two rebuilds within a second keep two backups.
    names = chain([f"{stem}.duckdb"], (f"{stem}-{number}.duckdb" for number in count(2)))
    backup = next(file for file in map(path.with_name, names) if not file.exists())
    os.link(path, backup)
    log = path.with_name(path.name + ".wal")
    if log.exists():
        log.rename(backup.with_name(backup.name + ".wal"))
    return backup
