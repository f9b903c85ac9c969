"""Care for the files: the database made anew from the landings, and backups."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

import duckdb

from warehouse.database import explained, open_reader, open_writer, writer_lock
from warehouse.errors import WarehouseUnfit
from warehouse.home import Home
from warehouse.landed import LandedRun, is_alive, kept, read_run
from warehouse.publish import publish
from warehouse.settle import LOCK_WAIT, load_all, mark_loaded, mirror_alerts
from warehouse.state import State

VIEWS = ("quotes", "quote_history", "runs", "observations", "alerts", "rejects", "items", "providers")


@dataclasses.dataclass(frozen=True, slots=True)
class Rebuilt:
    """What a rebuild did; the database as it was lies at `aside`."""

    runs: int
    aside: Path | None


def rebuildable(home: Home) -> list[LandedRun]:
    """The landings that are kept, in the order in which they were observed."""
    runs = [read_run(folder) for folder in kept(home.landing) if not is_alive(folder)]
    return sorted(runs, key=lambda run: (run.observed_from, run.header.started_at))


def rebuild(home: Home, now: Callable[[], datetime], wait: float = LOCK_WAIT) -> Rebuilt:
    """Make the database anew from the kept landings, put the old one aside, and publish.

    What only the old database knows (older than the kept landings) stays in the file put aside.
    """
    fresh = home.writer.with_name("rebuild.duckdb")
    aside = (
        home.writer.with_name(f"market.before-{now():%Y%m%dT%H%M%SZ}.duckdb")
        if home.writer.exists()
        else None
    )
    with writer_lock(home, wait):
        _remove(fresh)
        runs = rebuildable(home)
        with open_writer(fresh) as db:
            load_all(db, runs, now)
            mirror_alerts(db, State(home.state))
        if aside is not None:
            _settle_wal(home.writer)
            home.writer.rename(aside)
        fresh.rename(home.writer)
        publish(home)
        for run in runs:
            mark_loaded(run.folder)
    return Rebuilt(len(runs), aside)


def export_duckdb(home: Home, to: Path) -> None:
    """One compact DuckDB file with everything, readable on its own. Raises WarehouseUnfit where `to` exists."""
    _refuse_existing(to)
    partial = to.with_name(to.name + ".partial")
    _remove(partial)
    with explained(to), duckdb.connect() as db:
        db.execute(f"ATTACH {_quoted(home.published)} AS published (READ_ONLY)")
        db.execute(f"ATTACH {_quoted(partial)} AS exported")
        db.execute("COPY FROM DATABASE published TO exported")
        db.execute("DETACH exported")
    partial.rename(to)


def export_parquet(home: Home, to: Path) -> Sequence[Path]:
    """One Parquet file a view in a new folder; the files. Raises WarehouseUnfit where `to` exists."""
    _refuse_existing(to)
    to.mkdir(parents=True)
    files = [to / f"{view}.parquet" for view in VIEWS]
    with explained(to), open_reader(home.published) as db:
        for view, file in zip(VIEWS, files, strict=True):
            db.execute(f"COPY (FROM {view}) TO {_quoted(file)} (FORMAT parquet, COMPRESSION zstd)")
    return files


def _refuse_existing(to: Path) -> None:
    if to.exists():
        raise WarehouseUnfit(f"{to} exists already; choose another name", to)


def _remove(path: Path) -> None:
    for file in (path, path.with_name(path.name + ".wal")):
        file.unlink(missing_ok=True)


def _settle_wal(path: Path) -> None:
    """Fold a killed writer's log into its file, so that the file can be moved alone."""
    with explained(path), duckdb.connect(str(path)) as db:
        db.execute("CHECKPOINT")


def _quoted(path: Path) -> str:
    return "'" + str(path).replace("'", "''") + "'"
