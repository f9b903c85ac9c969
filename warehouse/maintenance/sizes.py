"""What the warehouse's rows take on the disk, by table; of the history, by month."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import duckdb

from warehouse.database import open_published
from warehouse.paths import WarehousePaths
from warehouse.views.quote_states import find_quote_states

SELECT_TABLES: Final = """
SELECT table_name, estimated_size FROM duckdb_tables()
WHERE database_name = current_database() AND schema_name = 'store' AND estimated_size > 0 ORDER BY table_name
"""
# Small tables share their blocks: the first one counts such a block.
SELECT_BLOCKS: Final = "SELECT DISTINCT block_id FROM pragma_storage_info('store.{}') WHERE block_id >= 0"
SELECT_BLOCK_SIZE: Final = """
SELECT block_size FROM pragma_database_size() WHERE database_name = current_database()
"""
COUNT_ROWS: Final = 'SELECT count(*) FROM store."{}"'
COUNT_MONTHS: Final = """
SELECT strftime(valid_to AT TIME ZONE 'UTC', '%Y-%m'), count(*) FROM store.history GROUP BY ALL ORDER BY ALL
"""
SELECT_SEALED: Final = """
SELECT 'history', strftime(month, '%Y-%m') AS month, rows, bytes FROM store.sealed_month
UNION ALL
SELECT 'observed_items', strftime(month, '%Y-%m') AS month, sum(rows)::BIGINT, sum(bytes)::BIGINT
FROM store.sealed_items GROUP BY ALL
ORDER BY ALL
"""
# Rows of small loads are in the catalog, until the maintenance writes them into a file.
SELECT_LAKE_SIZES: Final = """
SELECT table_name, file_size_bytes + delete_file_size_bytes FROM ducklake_table_info(?) ORDER BY table_name
"""
HISTORY: Final = "history"


@dataclass(frozen=True, slots=True)
class TableSize:
    """The rows of a table, or those of the history that ended in a month (such as 2026-05, UTC).

    `size_bytes` is what they take on the disk: of a month that is not sealed, its share of the table. A
    sealed month also has the rows that go on after it. Observed items in files are by month, too.
    """

    table: str
    month: str | None
    sealed: bool
    rows: int
    size_bytes: int
    bytes_per_row: float


def measure_sizes(paths: WarehousePaths) -> list[TableSize]:
    """Return the size of every table of the published database that has rows, the largest first.

    The months come first, in their order. Raises NotPublished, and PublishedUnreadable.
    """
    with open_published(paths) as db:
        measured = _measure_tables(db) if paths.shared is None else _measure_lake(db)
        tables, sealed = {size.table: size for size in measured}, [*_measure_sealed_months(db)]
        months = [size for size in sealed if size.table == HISTORY]
        months += _measure_open_months(db, tables.pop(HISTORY, None))
        months += [size for size in sealed if size.table != HISTORY]
    return [*months, *sorted(tables.values(), key=lambda size: -size.size_bytes)]


def _measure_tables(db: duckdb.DuckDBPyConnection) -> Iterator[TableSize]:
    ((block_size,),) = db.execute(SELECT_BLOCK_SIZE).fetchall()
    counted: set[int] = set()
    for table, _ in db.execute(SELECT_TABLES).fetchall():
        ((rows,),) = db.execute(COUNT_ROWS.format(table)).fetchall()
        blocks = {block for (block,) in db.execute(SELECT_BLOCKS.format(table)).fetchall()}
        if rows:
            yield _describe(table, None, rows=rows, size=len(blocks - counted) * block_size)
        counted |= blocks


def _measure_lake(db: duckdb.DuckDBPyConnection) -> Iterator[TableSize]:
    """Yield the size of each table of a lake: of the files that its newest snapshot has."""
    from warehouse.lake.connection import NAME  # only a shared warehouse needs it

    for table, size in db.execute(SELECT_LAKE_SIZES, [NAME]).fetchall():
        ((rows,),) = db.execute(COUNT_ROWS.format(table)).fetchall()
        if rows:
            yield _describe(table, None, rows=rows, size=size)


def _measure_sealed_months(db: duckdb.DuckDBPyConnection) -> Iterator[TableSize]:
    if find_quote_states(db).files:
        for table, month, rows, size in db.execute(SELECT_SEALED).fetchall():
            yield _describe(table, month, rows=rows, size=size, sealed=True)


def _measure_open_months(db: duckdb.DuckDBPyConnection, history: TableSize | None) -> Iterator[TableSize]:
    if history is not None:
        for month, rows in db.execute(COUNT_MONTHS).fetchall():
            yield _describe(HISTORY, month, rows=rows, size=round(history.size_bytes * rows / history.rows))


def _describe(table: str, month: str | None, *, rows: int, size: int, sealed: bool = False) -> TableSize:
    return TableSize(table, month, sealed, rows, size, round(size / max(rows, 1), 1))
