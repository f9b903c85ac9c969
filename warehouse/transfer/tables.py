"""Copy all tables of a warehouse into another one of the same schema: from a file into a lake, and back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import duckdb

from common.sql_text import quote_text
from common.warehouse_errors import WarehouseUnusable
from warehouse.queries.json_expression import identifier
from warehouse.views.quote_states import COLUMNS, find_quote_states

# What each warehouse has of its own: its version and views, where its history is, and who loads it.
OWN: Final = frozenset(
    {"schema_version", "views_made", "loader", "sealed_month", "sealed_path", "sealed_row", "sealed_items"}
)
# Where a filter skips the parts of a table that have other rows.
ORDERS: Final = {"current": "item_key, provider_key", "history": "valid_to"}
SELECT_TABLES: Final = """
SELECT table_name FROM duckdb_tables()
WHERE database_name = {} AND schema_name = 'store' AND NOT contains(table_name, ' ')
"""
SELECT_VERSION: Final = "SELECT max(version) FROM {}.store.schema_version"


def copy_tables(db: duckdb.DuckDBPyConnection, source: str, target: str) -> int:
    """Copy all rows of the attached database `source`, which is in use, into `target`; return how many.

    The history of sealed months becomes a part of the open one: seal it in the target afterwards. Call this
    in a transaction. Raises WarehouseUnusable where the two have different schemas.
    """
    versions = [db.execute(SELECT_VERSION.format(identifier(name))).fetchall() for name in (source, target)]
    if versions[0] != versions[1]:
        raise WarehouseUnusable(
            "the database is one of another version of Floorline: run `floorline maintain load`"
        )
    queries = {
        name: f"FROM {identifier(source)}.store.{identifier(name)}"
        for name in _shared_tables(db, source, target)
    }
    queries["history"] = f"SELECT {COLUMNS} FROM ({find_quote_states(db).ended})"  # noqa: S608 - our own query
    copied = 0
    for name, query in queries.items():
        order = f" ORDER BY {ORDERS[name]}" if name in ORDERS else ""
        rows = db.execute(f"INSERT INTO {identifier(target)}.store.{identifier(name)} BY NAME {query}{order}")
        copied += rows.fetchall()[0][0]
    return copied


def _shared_tables(db: duckdb.DuckDBPyConnection, source: str, target: str) -> Sequence[str]:
    """Return the tables of both databases but for their own; the one that guards macros has blanks."""
    tables = (
        {name for (name,) in db.execute(SELECT_TABLES.format(quote_text(database))).fetchall()}
        for database in (source, target)
    )
    return sorted(set.intersection(*tables) - OWN)
