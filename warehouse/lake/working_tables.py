"""Small tables of a lake as temporary tables, for the time of one load.

DuckLake asks PostgreSQL several times about each table that a query names, and a load names the small tables
more than a hundred times. So a load reads each of them once, works on the copies, and writes what differs at
its end, in the same transaction.
"""

from __future__ import annotations

import re
from typing import Final

import duckdb

from warehouse.lake.connection import NAME, plain_reads

# Of these tables, a load reads much and changes little. None grows with the number of runs.
TABLES: Final = (
    "item", "provider", "book", "scope", "scope_item", "scope_name", "item_group", "catalog_aggregate",
    "unconfirmed", "last_observation", "lapsed_quote", "stale_best_ask", "stale_filling", "best_ask_current",
    "acceptance", "sealed_month", "kept_history",
)  # fmt: skip
REFERENCE: Final = re.compile(rf"\bstore\.({'|'.join(TABLES)})\b")
CHANGE: Final = re.compile(rf"\b(?:INTO|UPDATE|DELETE FROM)\s+{REFERENCE.pattern}")
# The views and macros of the lake itself, which a load creates where it reopens a month, name the tables.
STORED: Final = ("CREATE OR REPLACE VIEW", "CREATE OR REPLACE MACRO")
# Until a table is changed, its name is that of a view, which DuckDB refuses to change.
READ: Final = """
CREATE TEMP TABLE original_{table} AS FROM {lake}.store.{table};
CREATE TEMP VIEW working_{table} AS FROM original_{table};
"""
COPY: Final = """
DROP VIEW working_{table};
CREATE TEMP TABLE working_{table} AS FROM original_{table};
"""
COMPARE: Final = """
CREATE OR REPLACE TEMP TABLE removed_row AS
SELECT DISTINCT * FROM (FROM original_{table} EXCEPT ALL FROM working_{table});
CREATE OR REPLACE TEMP TABLE added_row AS
FROM working_{table} EXCEPT ALL FROM original_{table};
"""
COUNT: Final = """
SELECT (SELECT count(*) FROM removed_row), (SELECT count(*) FROM added_row),
    (SELECT count(*) FROM working_{table})
"""
# Each load reads and writes the deleted rows of every file: a table of so few rows gets one new file instead.
FEW_ROWS: Final = 100_000
REPLACE: Final = "DELETE FROM {lake}.store.{table}; INSERT INTO {lake}.store.{table} FROM working_{table}"
# Of equal rows of which some are left, all are deleted, and these inserted again.
KEEP: Final = "INSERT INTO added_row SELECT t.* FROM working_{table} t SEMI JOIN removed_row r ON {same}"
DELETE: Final = "DELETE FROM {lake}.store.{table} t USING removed_row r WHERE {same}"
INSERT: Final = "INSERT INTO {lake}.store.{table} FROM added_row"


class WorkingConnection:
    """A connection to a lake in whose SQL the small tables are copies, until `write`.

    It has the methods of DuckDB's connection.
    """

    def __init__(self, db: duckdb.DuckDBPyConnection) -> None:
        self._db = db
        self._read: set[str] = set()
        self._changed: set[str] = set()

    def execute(self, query: str, parameters: object = None) -> duckdb.DuckDBPyConnection:
        """Execute a query on the copies."""
        if not query.startswith(STORED):
            self._read_tables(set(REFERENCE.findall(query)) - self._read)
            self._copy_tables(set(CHANGE.findall(query)) - self._changed)
            query = REFERENCE.sub(r"working_\1", query)
        return self._db.execute(query, parameters)

    def __getattr__(self, name: str) -> object:
        return getattr(self._db, name)

    def write(self) -> None:
        """Write what differs from the tables of the lake into these, and drop the copies."""
        for table in sorted(self._changed):
            self._write_table(table)
        for table in self._read:
            kind = "TABLE" if table in self._changed else "VIEW"
            self._db.execute(f"DROP {kind} working_{table}; DROP TABLE original_{table}")

    def _read_tables(self, tables: set[str]) -> None:
        if not tables:
            return
        with plain_reads(self._db):
            for table in sorted(tables):
                self._db.execute(READ.format(table=table, lake=NAME))
        self._read |= tables

    def _copy_tables(self, tables: set[str]) -> None:
        for table in tables:
            self._db.execute(COPY.format(table=table))
        self._changed |= tables

    def _write_table(self, table: str) -> None:
        self._db.execute(COMPARE.format(table=table))
        ((removed, added, rows),) = self._db.execute(COUNT.format(table=table)).fetchall()
        if removed and rows <= FEW_ROWS:
            self._db.execute(REPLACE.format(lake=NAME, table=table))
            return
        if removed:
            columns = [name for name, *_ in self._db.execute("DESCRIBE removed_row").fetchall()]
            same = " AND ".join(f't."{name}" IS NOT DISTINCT FROM r."{name}"' for name in columns)
            self._db.execute(KEEP.format(table=table, same=same))
            self._db.execute(DELETE.format(lake=NAME, table=table, same=same))
        if removed or added:
            self._db.execute(INSERT.format(lake=NAME, table=table))
