"""Create a backup: copies of one moment, made while the loader's lock is held, then checksums."""

from __future__ import annotations

import contextlib
import dataclasses
import stat
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Final

from common.files import fsync_directory, translate_os_errors
from common.sqlite import read_state_db
from common.warehouse_errors import NotPublished, TargetUnwritable
from warehouse.backup.contents import (
    FIRST_WITH_MONTHS,
    copy_catalogs,
    copy_landings,
    copy_loaders_database,
    copy_sealed_months,
    copy_state,
)
from warehouse.backup.manifest import (
    CONFIGURATION,
    WAREHOUSE,
    Counts,
    Manifest,
    describe_file,
    write_manifest,
)
from warehouse.database import open_reader, writer_lock
from warehouse.integrity import has_content
from warehouse.landing.inventory import is_loaded, is_set_aside, list_landings
from warehouse.migration import schema_version
from warehouse.paths import WarehousePaths
from warehouse.restoration import find_complete_database, loadable_runs, refuse_empty_database
from warehouse.targets import exclusive_target, partial_of, temporary_target, translate_target_errors

# Of the tables: an older database has other views. Since schema 10, the history has no open states.
COUNTS: Final = """
SELECT (SELECT count(*) FROM store.run), (SELECT count(lowest_ask) FROM store.current),
    (SELECT count(*) FROM store.history)
    + (SELECT count(*) FROM store.current WHERE (SELECT max(version) FROM store.schema_version) >= 10)
"""
COUNT_SEALED: Final = "SELECT coalesce(sum(ended), 0)::BIGINT FROM store.sealed_month"


def create_backup(
    paths: WarehousePaths,
    target: Path,
    configuration: Mapping[str, bytes],
    *,
    left_out: Sequence[str],
    now: datetime,
    wait: float,
) -> Manifest:
    """Write a backup into the new folder `target`; `configuration` has contents by file name.

    The folder appears when it is complete. No run is disturbed: a load waits until the copies are made.
    Raises NotPublished where there is no warehouse, TargetExists, TargetUnwritable, WarehouseLocked where a
    load takes longer than `wait` seconds, WarehouseFull, and where a database is damaged what a load raises.
    """
    partial = partial_of(target)
    _refuse_inside(paths, target)
    with translate_target_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
    with exclusive_target(target), temporary_target(partial), translate_os_errors(target):
        partial.mkdir(mode=0o700)
        copied = WarehousePaths(partial / WAREHOUSE)
        with _lock_loads(paths, wait):
            mode = stat.S_IMODE(paths.published.stat().st_mode) if paths.published.exists() else 0o400
            _copy_warehouse(paths, copied)
        for name, content in configuration.items():
            file = partial / CONFIGURATION / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
        manifest = _describe(copied, partial, mode, left_out=left_out, now=now)
        write_manifest(partial, manifest)
        for folder in _folders(partial):
            fsync_directory(folder)
        partial.rename(target)
        fsync_directory(target.parent)
    return manifest


def _refuse_inside(paths: WarehousePaths, target: Path) -> None:
    """Raise TargetUnwritable where a target would be a file of the warehouse."""
    for folder in (paths.landing, paths.catalog, paths.sealed, paths.writer.parent):
        if target.resolve().is_relative_to(folder.resolve()):
            raise TargetUnwritable(f"{target} would be among the files of {folder}", target)


@contextlib.contextmanager
def _lock_loads(paths: WarehousePaths, wait: float) -> Iterator[None]:
    """Hold the loader's lock. Raises NotPublished where there is no warehouse to lock."""
    if not paths.writer.parent.is_dir():
        raise NotPublished(f"there is no warehouse at {paths.root} yet", paths.root)
    with writer_lock(paths, wait):
        yield


def _copy_warehouse(paths: WarehousePaths, copied: WarehousePaths) -> None:
    """Copy the state before the landings: a landing may have more pages than the state knows, never fewer."""
    copied.root.mkdir()
    if has_content(paths.state):
        copy_state(paths.state, copied.state)
    base = find_complete_database(paths, loadable_runs(paths))
    if base is None:
        refuse_empty_database(paths)
    else:
        copy_loaders_database(paths, base, copied.writer)
        copy_sealed_months(paths, copied.writer, copied.sealed)
    copy_landings(paths.landing, copied.landing)
    copy_catalogs(paths.catalog, copied.catalog)


def _describe(
    copied: WarehousePaths, folder: Path, mode: int, *, left_out: Sequence[str], now: datetime
) -> Manifest:
    database_schema_version, counts = _count(copied)
    state_schema_version = None
    if copied.state.exists():
        with read_state_db(copied.state) as db:
            (state_schema_version,) = db.execute("PRAGMA user_version").fetchone()
            alerts = "SELECT count(*) FROM alert WHERE closed_at IS NULL"
            counts = dataclasses.replace(
                counts,
                open_alerts=db.execute(alerts).fetchone()[0],
                backfills=db.execute("SELECT count(*) FROM backfill").fetchone()[0],
            )
    _remove_logs(copied.state)
    return Manifest(
        created_at=now,
        database_schema_version=database_schema_version,
        state_schema_version=state_schema_version,
        published_mode=mode,
        counts=counts,
        files=tuple(describe_file(folder, file) for file in sorted(folder.rglob("*")) if file.is_file()),
        left_out=tuple(left_out),
    )


def _count(copied: WarehousePaths) -> tuple[int | None, Counts]:
    """Return the schema of the database, and the counts of the database and of the landings."""
    landings = list_landings(copied.landing)
    waiting = [folder for folder in landings if not is_loaded(folder) and not is_set_aside(folder)]
    counts = Counts(landings=len(landings), waiting=len(waiting))
    if not copied.writer.exists():
        return None, counts
    with open_reader(copied.writer) as db:
        schema, (runs, quotes, changes) = schema_version(db), db.execute(COUNTS).fetchall()[0]
        if schema >= FIRST_WITH_MONTHS:
            changes += db.execute(COUNT_SEALED).fetchall()[0][0]
        return schema, dataclasses.replace(counts, runs=runs, quotes=quotes, changes=changes)


def _remove_logs(state: Path) -> None:
    for suffix in ("-wal", "-shm"):
        state.with_name(state.name + suffix).unlink(missing_ok=True)


def _folders(root: Path) -> Iterator[Path]:
    yield from (path for path in root.rglob("*") if path.is_dir())
    yield root
