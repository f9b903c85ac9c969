"""Bring the schema of a warehouse up to date: its tables, its views, and what an older version left to do."""

from __future__ import annotations

from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Final

import duckdb

from common.warehouse_errors import SealedMonthUnreadable, WarehouseUnusable
from warehouse.best_asks import update_stale_best_asks
from warehouse.transactions import transaction
from warehouse.views.definitions import update_views
from warehouse.views.quote_states import OPEN_STATES, find_viewed_states, read_sealed_files, view_states

SQL: Final = resources.files("warehouse") / "sql"


def migrate(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    """Apply the missing migrations, each in a transaction, update the views, and create those of the loads.

    Raises WarehouseUnusable where a newer Floorline wrote the database.
    """
    version = schema_version(connection)
    refuse_newer_schema(version, path, path)
    missing = find_missing_migrations(version)
    if version == 0 or not missing:  # without rows, threads wait for each other longer than they work
        connection.execute("SET threads = 1")
    for number in missing:
        with transaction(connection):
            apply_migration(connection, number, read_migration(number))
    with transaction(connection):
        update_history(connection)
    connection.execute("RESET threads")
    view_open_states(connection)
    finish_migration(connection)


def refuse_newer_schema(version: int, name: object, path: Path | None = None) -> None:
    """Raise WarehouseUnusable where a newer Floorline made the schema of the warehouse `name`."""
    if version > newest_schema():
        raise WarehouseUnusable(f"{name} has schema {version}, this Floorline knows {newest_schema()}", path)


def find_missing_migrations(version: int) -> list[int]:
    """Return the numbers of the migrations after a version, in order."""
    return list(range(version + 1, newest_schema() + 1))


def read_migration(number: int) -> str:
    """Return the SQL of a migration."""
    return _migrations()[number].read_text()


def apply_migration(connection: duckdb.DuckDBPyConnection, number: int, sql: str) -> None:
    """Execute the SQL of a migration and record its number. Call this function in a transaction."""
    connection.execute(sql)
    connection.execute("INSERT INTO store.schema_version VALUES (?, now())", [number])


def view_open_states(connection: duckdb.DuckDBPyConnection) -> None:
    """Create the view of the open states, which the loads read, too: the private views are not stored."""
    connection.execute(f"CREATE OR REPLACE TEMP VIEW open_state AS {OPEN_STATES}")


def finish_migration(connection: duckdb.DuckDBPyConnection) -> None:
    """Work out what a migration or a failed load has left to do."""
    fill_stale_gaps(connection)
    update_stale_best_asks(connection)


def update_history(connection: duckdb.DuckDBPyConnection) -> None:
    """Create the views for the months that are sealed now. Call this function in a transaction."""
    states = find_viewed_states(connection)
    update_views(connection, read_version(connection), states)
    sizes = states.sizes
    if read_sealed_files(connection) != sizes:
        connection.execute("DELETE FROM store.sealed_path")
        values = [[*map(str, sizes)], [*sizes.values()]]
        connection.execute(
            "INSERT INTO store.sealed_path SELECT unnest(?::VARCHAR[]), unnest(?::BIGINT[])", values
        )


def fill_stale_gaps(connection: duckdb.DuckDBPyConnection) -> None:
    """Fill the coverage gaps of the items in store.stale_filling: what a migration or a failed load left.

    Where the file of a sealed month is missing, the gaps wait for it.
    """
    if not connection.execute("FROM store.stale_filling LIMIT 1").fetchall():
        return
    try:
        view_states(connection)
    except SealedMonthUnreadable:
        return
    with transaction(connection):
        connection.execute("CREATE OR REPLACE TEMP TABLE refill (item_key INTEGER, provider_key INTEGER)")
        for name in ("load_series/find_refills", "load/fill_gaps"):
            connection.execute((SQL / f"{name}.sql").read_text())


def newest_schema() -> int:
    """Return the number of the newest migration of this version of Floorline."""
    return max(_migrations())


def _migrations() -> dict[int, Traversable]:
    """Return the migrations by their numbers."""
    files = (SQL / "migrations").iterdir()
    return {int(file.name[:4]): file for file in files if file.name[:4].isdigit()}


def schema_version(connection: duckdb.DuckDBPyConnection) -> int:
    """Return the number of the last applied migration; 0 for a new file."""
    tables = connection.execute(
        "SELECT 1 FROM duckdb_tables() WHERE schema_name = 'store' AND table_name = 'schema_version'"
    ).fetchall()
    return read_version(connection) if tables else 0


def read_version(connection: duckdb.DuckDBPyConnection) -> int:
    """Return the number of the last applied migration of a database that has one."""
    return int(connection.execute("SELECT max(version) FROM store.schema_version").fetchall()[0][0])
