"""Export backups of the published database: one DuckDB file, or one Parquet file per view."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import duckdb
from filelock import FileLock, Timeout

from common.files import translate_os_errors
from common.warehouse_errors import TargetExists, WarehouseUnusable
from warehouse.database import WITHOUT_LOG, open_published, quote_path, translate_duckdb_errors
from warehouse.database_files import log_of
from warehouse.paths import WarehousePaths

LONGEST_NAME: Final = 255  # bytes
PUBLIC_VIEWS: Final = """
SELECT view_name FROM duckdb_views()
WHERE database_name = current_database() AND schema_name = 'main' AND NOT internal ORDER BY view_name
"""


def export_duckdb(paths: WarehousePaths, target: Path) -> None:
    """Write the database as one compact DuckDB file.

    Raises TargetExists where `target` exists, or another process writes it, and WarehouseUnusable.
    """
    if len(os.fsencode(log_of(target).name)) > LONGEST_NAME:
        raise WarehouseUnusable(f"DuckDB opens no database with so long a name: {target}", target)
    partial = partial_of(target)
    with (
        _exclusive(target),
        _temporary_target(partial),
        open_published(paths),
        translate_duckdb_errors(target),
        duckdb.connect(config=dict(WITHOUT_LOG)) as db,
    ):
        db.execute(f"ATTACH {quote_path(paths.published)} AS published (READ_ONLY)")
        db.execute(f"ATTACH {quote_path(partial)} AS exported")
        db.execute("COPY FROM DATABASE published TO exported")
        db.execute("DETACH exported")
        partial.rename(target)


def export_parquet(paths: WarehousePaths, target: Path) -> Sequence[Path]:
    """Write one Parquet file for every view of the database into a new folder; return the files.

    Raises TargetExists where `target` exists, or another process writes it.
    """
    partial = partial_of(target)
    with translate_os_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
    with (
        _exclusive(target),
        _temporary_target(partial),
        open_published(paths) as db,
        translate_duckdb_errors(target),
    ):
        partial.mkdir()
        views = [view for (view,) in db.execute(PUBLIC_VIEWS).fetchall()]
        for view in views:
            file = quote_path(partial / f"{view}.parquet")
            db.execute(f'COPY (FROM "{view}") TO {file} (FORMAT parquet, COMPRESSION zstd)')
        partial.rename(target)
    return [target / f"{view}.parquet" for view in views]


def partial_of(target: Path) -> Path:
    """Return where an export is written until it is complete; a long name has no room for a suffix."""
    name = hashlib.blake2b(os.fsencode(target.name), digest_size=8).hexdigest()
    return target.with_name(f"export-{name}.partial")


@contextlib.contextmanager
def _exclusive(target: Path) -> Iterator[None]:
    """Let one process at a time write a target that does not exist yet."""
    if not target.parent.is_dir():  # FileLock would create it; the export says that it is missing
        yield
        return
    lock = partial_of(target).with_suffix(".lock")
    if not target.parent.is_dir():  # else the lock would create it
        raise WarehouseUnusable(f"{target} cannot be opened: check its folder and the permissions", target)
    with translate_os_errors(target):
        try:
            held = FileLock(lock).acquire(timeout=0)
        except Timeout:
            raise TargetExists(f"another process writes {target} now", target) from None
    with held:
        try:
            if target.exists():
                raise TargetExists(f"{target} exists already", target)
            yield
        finally:
            lock.unlink(missing_ok=True)


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
