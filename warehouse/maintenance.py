"""Rebuild the database from the landings, and export backups."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Final

import duckdb

from common.errors import TargetExists
from warehouse.database import open_reader, open_writer, translate_duckdb_errors, writer_lock
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
from warehouse.loading.pipeline import LOCK_WAIT, copy_alerts, load_runs, quarantine_landing
from warehouse.paths import WarehousePaths
from warehouse.publish import publish
from warehouse.state.alerts import AlertStore
from warehouse.state.backfills import BackfillStore
from warehouse.state.recovery import discard_lost_shards

VIEWS: Final = (
    "quotes", "quote_history", "price_points", "candles", "sales", "bids", "bid_history", "fx_rates",
    "best_ask", "runs", "observations", "alerts", "rejects", "items", "providers",
)  # fmt: skip


@dataclasses.dataclass(frozen=True, slots=True)
class RebuildResult:
    """The number of landings that a rebuild loaded, and the file that holds the previous database."""

    runs: int
    aside: Path | None


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
    """Load all landings into a new database, keep the previous one as a backup, and publish the new one.

    Data older than the landings stays only in the backup. Quarantined landings are tried again. Shards of
    backfills whose landings are gone count as not fetched. Raises WarehouseLocked, WarehouseFull and
    WarehouseUnusable.
    """
    rebuilt = paths.writer.with_name("rebuild.duckdb")
    with writer_lock(paths, wait), _temporary_target(rebuilt):
        corrupt: list[CorruptLanding] = []
        runs = rebuildable_landings(paths, corrupt.append)
        with open_writer(rebuilt) as db:
            load_runs(db, runs, now, on_corrupt=corrupt.append, row_parser=row_parser)
            alerts = AlertStore(paths.state)
            for error in corrupt:
                quarantine_landing(error, alerts, now())
            copy_alerts(db, alerts)
        loaded = {run.folder for run in runs} - {error.folder for error in corrupt}
        # Before the swap: a kill in between costs repeated requests, but no rows.
        discard_lost_shards(BackfillStore(paths.state, now), loaded)
        backup = _keep_backup(paths.writer, f"market.before-{now():%Y%m%dT%H%M%SZ}.duckdb")
        rebuilt.replace(paths.writer)
        publish(paths)
        for folder in loaded:
            mark_loaded(folder)
    return RebuildResult(len(loaded), backup)


def export_duckdb(paths: WarehousePaths, target: Path) -> None:
    """Write the database as one compact DuckDB file. Raises TargetExists where `target` exists."""
    _refuse_existing(target)
    partial = target.with_name(target.name + ".partial")
    with (
        _temporary_target(partial),
        open_reader(paths.published),
        translate_duckdb_errors(target),
        duckdb.connect() as db,
    ):
        db.execute(f"ATTACH {_quote(paths.published)} AS published (READ_ONLY)")
        db.execute(f"ATTACH {_quote(partial)} AS exported")
        db.execute("COPY FROM DATABASE published TO exported")
        db.execute("DETACH exported")
        partial.rename(target)


def export_parquet(paths: WarehousePaths, target: Path) -> Sequence[Path]:
    """Write one Parquet file per view into a new folder; return the files.

    Raises TargetExists where `target` exists.
    """
    _refuse_existing(target)
    partial = target.with_name(target.name + ".partial")
    with _temporary_target(partial), open_reader(paths.published) as db, translate_duckdb_errors(target):
        partial.mkdir(parents=True)
        for view in VIEWS:
            file = _quote(partial / f"{view}.parquet")
            db.execute(f"COPY (FROM {view}) TO {file} (FORMAT parquet, COMPRESSION zstd)")
        partial.rename(target)
    return [target / f"{view}.parquet" for view in VIEWS]


def _refuse_existing(target: Path) -> None:
    if target.exists():
        raise TargetExists(f"{target} exists already", target)


@contextlib.contextmanager
def _temporary_target(path: Path) -> Iterator[None]:
    """Delete a file or folder, and its write-ahead log, before and after; a rename in between keeps it."""
    leftovers = (path, path.with_name(path.name + ".wal"))
    try:
        for leftover in leftovers:
            _remove(leftover)
        yield
    finally:
        for leftover in leftovers:
            _remove(leftover)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _keep_backup(path: Path, name: str) -> Path | None:
    """Link the database under a second name, so that the first one is never missing; return the backup.

    The write-ahead log that a killed writer left belongs to the backup and moves with it.
    """
    if not path.exists():
        return None
    backup = path.with_name(name)
    os.link(path, backup)
    log = path.with_name(path.name + ".wal")
    if log.exists():
        log.rename(backup.with_name(backup.name + ".wal"))
    return backup


def _quote(path: Path) -> str:
    return "'" + str(path).replace("'", "''") + "'"
