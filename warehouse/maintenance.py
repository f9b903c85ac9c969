"""Care for the files: the database made anew from the landings, and backups."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path

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

VIEWS = (
    "quotes", "quote_history", "price_points", "candles", "sales", "bids", "bid_history", "fx_rates",
    "best_ask", "runs", "observations", "alerts", "rejects", "items", "providers",
)  # fmt: skip


@dataclasses.dataclass(frozen=True, slots=True)
class RebuildResult:
    """What a rebuild did: how many landings it loaded; the database as it was lies at `aside`."""

    runs: int
    aside: Path | None


def rebuildable_landings(
    home: WarehousePaths, unreadable: Callable[[CorruptLanding], object] = lambda _: None
) -> list[LandedRun]:
    """The landings that are kept, in the order in which they were observed."""
    return read_landings(
        [folder for folder in list_landings(home.landing) if not is_being_written(folder)], unreadable
    )


def rebuild(
    home: WarehousePaths, now: Callable[[], datetime], wait: float = LOCK_WAIT, retype: RowParser = no_parser
) -> RebuildResult:
    """Make the database anew from the kept landings, put the old one aside, and publish.

    What only the old database knows (older than the kept landings) stays in the file put aside. Landings that
    were set aside are tried again. What backfills brought with others may be fetched again. Raises
    WarehouseLocked, WarehouseFull and WarehouseUnfit.
    """
    fresh = home.writer.with_name("rebuild.duckdb")
    with writer_lock(home, wait), _replace_target(fresh):
        broken: list[CorruptLanding] = []
        runs = rebuildable_landings(home, broken.append)
        with open_writer(fresh) as db:
            load_runs(db, runs, now, broken.append, retype)
            state = AlertStore(home.state)
            for error in broken:
                quarantine_landing(error, state, now())
            copy_alerts(db, state)
        loaded = {run.folder for run in runs} - {error.folder for error in broken}
        discard_lost_shards(
            BackfillStore(home.state, now), loaded
        )  # before: a kill may cost requests, and no rows
        aside = _keep_backup(home.writer, f"market.before-{now():%Y%m%dT%H%M%SZ}.duckdb")
        fresh.replace(home.writer)
        publish(home)
        for folder in loaded:
            mark_loaded(folder)
    return RebuildResult(len(loaded), aside)


def export_duckdb(home: WarehousePaths, to: Path) -> None:
    """Write one compact DuckDB file that is readable on its own. Raises AlreadyThere where `to` exists."""
    _refuse_existing(to)
    partial = to.with_name(to.name + ".partial")
    with (
        _replace_target(partial),
        translate_duckdb_errors(to),
        open_reader(home.published),
        duckdb.connect() as db,
    ):
        db.execute(f"ATTACH {_quoted(home.published)} AS published (READ_ONLY)")
        db.execute(f"ATTACH {_quoted(partial)} AS exported")
        db.execute("COPY FROM DATABASE published TO exported")
        db.execute("DETACH exported")
        partial.rename(to)


def export_parquet(home: WarehousePaths, to: Path) -> Sequence[Path]:
    """One Parquet file a view in a new folder; the files. Raises AlreadyThere where `to` exists."""
    _refuse_existing(to)
    partial = to.with_name(to.name + ".partial")
    with _replace_target(partial), translate_duckdb_errors(to), open_reader(home.published) as db:
        partial.mkdir(parents=True)
        for view in VIEWS:
            file = _quoted(partial / f"{view}.parquet")
            db.execute(f"COPY (FROM {view}) TO {file} (FORMAT parquet, COMPRESSION zstd)")
        partial.rename(to)
    return [to / f"{view}.parquet" for view in VIEWS]


def _refuse_existing(to: Path) -> None:
    if to.exists():
        raise TargetExists(f"{to} exists already", to)


@contextlib.contextmanager
def _replace_target(path: Path) -> Iterator[None]:
    """Work on a file or folder that is there neither before nor, unless it was renamed, after."""
    log = path.with_name(path.name + ".wal")
    try:
        for leftover in (path, log):
            _remove(leftover)
        yield
    finally:
        for leftover in (path, log):
            _remove(leftover)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _keep_backup(path: Path, name: str) -> Path | None:
    """Give a database a second name, a killed writer's log with it; its own name is never without a file."""
    if not path.exists():
        return None
    aside = path.with_name(name)
    os.link(path, aside)
    log = path.with_name(path.name + ".wal")
    if log.exists():
        log.rename(aside.with_name(aside.name + ".wal"))
    return aside


def _quoted(path: Path) -> str:
    return "'" + str(path).replace("'", "''") + "'"
