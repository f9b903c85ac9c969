"""Export backups of the published database: one DuckDB file, or one Parquet file per view."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import duckdb

from common.warehouse_errors import WarehouseUnusable
from warehouse.database import (
    WITHOUT_LOG,
    duckdb_path,
    open_published,
    open_writer,
    quote_path,
    translate_duckdb_errors,
)
from warehouse.database_files import log_of
from warehouse.lake.location import LakeLocation
from warehouse.paths import WarehousePaths
from warehouse.sealing.months import reopen_months
from warehouse.sealing.observed_items import take_back_items
from warehouse.targets import exclusive_target, partial_of, temporary_target, translate_target_errors
from warehouse.transactions import transaction
from warehouse.transfer.tables import copy_tables

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
    with exclusive_target(target), temporary_target(partial):
        if isinstance(database := paths.published_database, Path):
            _export_file(paths, partial, target)
        else:
            export_lake(database, partial)
        partial.rename(target)


def export_parquet(paths: WarehousePaths, target: Path) -> Sequence[Path]:
    """Write one Parquet file for every view of the database into a new folder; return the files.

    Raises TargetExists where `target` exists, or another process writes it.
    """
    partial = partial_of(target)
    with translate_target_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
    with (
        exclusive_target(target),
        temporary_target(partial),
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


def _export_file(paths: WarehousePaths, partial: Path, target: Path) -> None:
    with (
        open_published(paths),
        translate_duckdb_errors(target),
        duckdb.connect(config=dict(WITHOUT_LOG)) as db,
    ):
        db.execute(f"ATTACH {quote_path(paths.published)} AS published (READ_ONLY)")
        db.execute(f"ATTACH {quote_path(partial)} AS exported")
        db.execute("COPY FROM DATABASE published TO exported")
        db.execute("DETACH exported")
        _take_sealed_months(partial, paths)


def export_lake(lake: LakeLocation, target: Path) -> None:
    """Write a lake as a new file that is like the loader's of one machine. Raises WarehouseUnusable."""
    from warehouse.lake.connection import NAME, attach_lake  # only a shared warehouse needs it

    with open_writer(target):
        pass  # the tables
    with attach_lake(lake, read_only=True) as db, translate_duckdb_errors(target):
        db.execute(f"ATTACH {quote_path(target)} AS exported")
        with transaction(db):
            copy_tables(db, NAME, "exported")
        db.execute("DETACH exported")
    with open_writer(target):
        pass  # the views, and one file without a log


def _take_sealed_months(exported: Path, paths: WarehousePaths) -> None:
    """Move all that the files of the sealed months have into the database."""
    with duckdb.connect(duckdb_path(exported), config=dict(WITHOUT_LOG)) as db:
        db.execute("SET TimeZone = 'UTC'")
        reopen_months(db, datetime.min.replace(tzinfo=UTC), paths.sealed)
        take_back_items(db, None, paths.sealed)
