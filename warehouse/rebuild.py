"""Rebuild the database from the landings, and from the old database what these do not hold any more."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from pathlib import Path

from warehouse.database import open_writer, writer_lock
from warehouse.database_files import copy_database, keep_backup, remove_database, temporary_database
from warehouse.landing.conversion import no_parser
from warehouse.landing.inventory import (
    Landing,
    is_being_written,
    list_landings,
    mark_loaded,
    read_landings,
)
from warehouse.landing.ndjson import RowParser
from warehouse.landing.reader import CorruptLanding
from warehouse.landing.tries import MAX_FAILED
from warehouse.loading.alert_copy import copy_alerts, take_over_alerts
from warehouse.loading.failures import close_alerts, settle_failure
from warehouse.loading.forgetting import forget_runs
from warehouse.loading.loader import Loader
from warehouse.loading.pipeline import LOCK_WAIT
from warehouse.paths import WarehousePaths
from warehouse.publish import publish
from warehouse.restoration import find_complete_database, refuse_lost_runs, remove_stray_log
from warehouse.state.alerts import AlertStore
from warehouse.state.backfills import BackfillStore
from warehouse.state.database import open_state
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
) -> list[Landing]:
    """Return the finished landings on disk, in the order of their runs."""
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
    copy where the old database cannot be read or lacks runs. Quarantined landings are tried again. Raises
    WarehouseLocked, WarehouseFull, DatabaseUnreadable where neither file can be read (the landings alone may
    be less than what there was), and DatabaseIncomplete where each of the two lacks runs.
    """
    rebuilt = paths.writer.with_name("rebuild.duckdb")
    with writer_lock(paths, wait), temporary_database(rebuilt):
        corrupt: list[CorruptLanding] = []
        loaded, taken_over = _fill(paths, rebuilt, now, row_parser, on_corrupt=corrupt.append)
        refuse_lost_runs(paths, rebuilt)  # before anything is replaced
        with open_writer(rebuilt) as db:
            alerts = AlertStore(open_state(paths))
            for error in corrupt:
                settle_failure(error, alerts, now())
            close_alerts({folder.name for folder in loaded}, alerts, now())
            copy_alerts(db, alerts)
            take_over_alerts(db, paths)
        if not taken_over:
            # Before the swap: a kill in between costs repeated requests, but no rows.
            discard_lost_shards(BackfillStore(paths, now), loaded)
        backup = keep_backup(paths.writer, now())
        rebuilt.replace(paths.writer)
        publish(paths)
        for folder in loaded:
            mark_loaded(folder)
    return RebuildResult(len(loaded), backup, taken_over)


def _fill(
    paths: WarehousePaths,
    rebuilt: Path,
    now: Callable[[], datetime],
    row_parser: RowParser,
    *,
    on_corrupt: Callable[[CorruptLanding], object],
) -> tuple[set[Path], int]:
    """Fill a new database; return the folders that were loaded, and how many runs were taken over.

    A landing that can be read but not loaded was taken out of the old database already: then everything is
    done again without this landing, so that its rows come from the old database.
    """
    runs = rebuildable_landings(paths, on_corrupt)
    while True:
        remove_database(rebuilt)
        taken_over = _take_over(paths, rebuilt, {run.header.run_id for run in runs})
        with Loader(rebuilt, now, row_parser) as loader:
            failed = _load(loader, runs)
        for error in failed:
            on_corrupt(error)
        folders = {run.folder for run in runs}
        loaded = folders - {error.folder for error in failed}
        if loaded == folders:
            return loaded, taken_over
        runs = [run for run in runs if run.folder in loaded]


def _load(loader: Loader, landings: Sequence[Landing]) -> list[CorruptLanding]:
    """Load landings, each as often as loads would try it; return the failures of those that did not load."""
    final: list[CorruptLanding] = []
    open_failures: list[CorruptLanding] = []
    for _ in range(MAX_FAILED):
        failures: list[CorruptLanding] = []
        loader.load(landings, failures.append)
        final += [error for error in failures if not error.may_heal]
        open_failures = [error for error in failures if error.may_heal]
        again = {error.folder for error in open_failures}
        landings = [landing for landing in landings if landing.folder in again]
        if not landings:
            break
    return [*final, *open_failures]


def _take_over(paths: WarehousePaths, rebuilt: Path, landed: Collection[str]) -> int:
    """Copy the old database to `rebuilt`, but no run that will be loaded again; return how many runs.

    Leaves no file where nothing need be taken over.
    """
    remove_stray_log(paths)
    old = find_complete_database(paths, landed)
    if old is None:
        return 0
    copy_database(old, rebuilt)
    with open_writer(rebuilt) as db:
        kept = forget_runs(db, landed)
    if not kept:
        remove_database(rebuilt)
    return kept
