"""Open a lake for its loader, with the schema of this version of Floorline."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Collection, Iterator, Sequence
from typing import Final

import duckdb

from warehouse.lake.connection import NAME, attach_lake, plain_reads
from warehouse.lake.location import LakeLocation
from warehouse.lake.working_tables import WorkingConnection
from warehouse.migration import (
    SQL,
    apply_migration,
    find_missing_migrations,
    finish_migration,
    newest_schema,
    read_migration,
    read_version,
    refuse_newer_schema,
    update_history,
    view_open_states,
)
from warehouse.transactions import enter_epoch, transaction
from warehouse.views.definitions import has_views
from warehouse.views.quote_states import find_quote_states

# DuckLake has no such constraint. Every INSERT of ours computes `other_price` from `lowest_ask`.
CHECK: Final = re.compile(r",\s*CHECK \(lowest_ask IS NOT NULL OR other_price IS NULL\)")
# DuckDB takes a temporary table of a transaction for empty, and would join its many rows one by one.
SETTINGS: Final = ("asof_loop_join_threshold = 0", "preserve_insertion_order = false")
# What a load that failed has left to do; see `finish_migration`.
STALE: Final = ("SELECT 1 FROM store.stale_filling LIMIT 1", "SELECT 1 FROM store.stale_best_ask LIMIT 1")
# DuckLake keeps the rows of small loads in the catalog, and cannot read a STRUCT with a TIMESTAMPTZ back from
# PostgreSQL: such a query ends the process. The rows of these tables are always in files.
TABLES_IN_FILES: Final = ("current", "sold_seam")
SELECT_TABLES_IN_FILES: Final = """
SELECT scope_entry FROM ducklake_options(?) WHERE option_name = 'data_inlining_row_limit' AND value = '0'
"""
SET_IN_FILES: Final = """
CALL ducklake_set_option($lake, 'data_inlining_row_limit', 0, schema => 'store', table_name => $table)
"""


@contextlib.contextmanager
def open_lake_writer(lake: LakeLocation) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a lake under the lease of its loader: create it or bring its schema up to date.

    Raises as `attach_lake`, and LoaderOvertaken where another loader took over.
    """
    with attach_lake(lake, read_only=False) as db:
        for setting in SETTINGS:
            db.execute(f"SET {setting}")
        _migrate(db, lake)
        yield db


def _migrate(db: duckdb.DuckDBPyConnection, lake: LakeLocation) -> None:
    # One transaction of DuckDB: between two, DuckLake would read the catalog's schema again.
    with transaction(db), plain_reads(db):
        version = _find_version(db)
        refuse_newer_schema(version, lake)
        if version == 0:
            _apply(db, find_missing_migrations(0))
            db.execute((SQL / "lake.sql").read_text())
            update_history(db)  # a reader finds no tables without their views
        missing = find_missing_migrations(version or newest_schema())
        enter_epoch(db, WorkingConnection)
        is_current = not missing and has_views(db, newest_schema(), find_quote_states(db))
        is_stale = any(db.execute(query).fetchall() for query in STALE)
        view_open_states(db)
        in_files = {name for (name,) in db.execute(SELECT_TABLES_IN_FILES, [NAME]).fetchall()}
    _keep_in_files(db, in_files)
    if missing:
        with transaction(db):
            _apply(db, missing)
    if not is_current:
        with transaction(db):
            update_history(db)
    if missing or is_stale:
        finish_migration(db)


def _keep_in_files(db: duckdb.DuckDBPyConnection, in_files: Collection[str]) -> None:
    """Keep the rows of TABLES_IN_FILES out of the catalog; `in_files` are those for which that is set.

    Not in the transaction that creates the tables: DuckLake sets options of tables that are committed.
    """
    for table in TABLES_IN_FILES:
        if f"store.{table}" not in in_files:
            db.execute(SET_IN_FILES, {"lake": NAME, "table": table})


def _find_version(db: duckdb.DuckDBPyConnection) -> int:
    """Return the number of the last applied migration; 0 for a lake that is new.

    `schema_version` lists the tables, which costs two statements of PostgreSQL for each of them.
    """
    try:
        return read_version(db)
    except duckdb.CatalogException:
        return 0


def _apply(db: duckdb.DuckDBPyConnection, migrations: Sequence[int]) -> None:
    for number in migrations:
        apply_migration(db, number, CHECK.sub("", read_migration(number)))
