"""Keep what the runs of sealed months returned, store.observed_items, in files beside the database.

A publish copies the database whole, and no view reads these rows: only the load of a late landing does, and
the load of a new phase of an item. Such a load reads the table together with the files that may have a row
from some time on, and writes to the table only; the next seal moves these rows, too. No file has a row from
after its month.
"""

from __future__ import annotations

import glob
import secrets
from dataclasses import astuple, dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Final

import duckdb

from common.files import translate_os_errors
from common.warehouse_errors import SealedMonthUnreadable
from warehouse.database import WRITER_SETTINGS, quote_path
from warehouse.integrity import find_checksum
from warehouse.sealing.files import FORMAT, refuse_damaged, write_rows
from warehouse.transactions import transaction
from warehouse.views.quote_states import fetch_if_known, find_sealed_folder
from warehouse.views.sealed_files import SealedFile, next_month, start_of

CONTENT: Final = "observed items"
SELECT_FILES: Final = "SELECT month, file, bytes FROM store.sealed_items ORDER BY month, file"
SELECT_CHECKSUMS: Final = "SELECT file, checksum FROM store.sealed_items"
COUNT_ROWS: Final = "SELECT count(*) FROM store.observed_items WHERE observed_at < getvariable('items_end')"
DELETE_ROWS: Final = "DELETE FROM store.observed_items WHERE observed_at < getvariable('items_end')"
# In lists as short as load/list_observed_items.sql writes: those of older versions have a whole marketplace.
SELECT_ROWS: Final = """
SELECT run_key, scope_key, book_key, observed_at, unnest(CASE WHEN len(item_keys) <= 512 THEN [item_keys]
    ELSE [item_keys[i:i + 511] FOR i IN range(1, len(item_keys) + 1, 512)] END) AS item_keys
FROM store.observed_items WHERE observed_at < getvariable('items_end')
"""
LONG_LISTS_MEMORY: Final = "1GB"
OPTIONS: Final = f"{FORMAT}, ROW_GROUP_SIZE_BYTES '16MB'"  # a row has up to 2 KB


@dataclass(frozen=True, slots=True)
class SealedItems:
    """A file with rows of store.observed_items from before the end of the month that begins with the day."""

    month: date
    file: str
    rows: int
    size_bytes: int
    checksum: str


def write_items(db: duckdb.DuckDBPyConnection, month: datetime, folder: Path) -> SealedItems | None:
    """Write the rows from before the end of a month into a new file; return None where there is no row."""
    db.execute("SET VARIABLE items_end = ?", [next_month(month)])
    if db.execute(COUNT_ROWS).fetchall() == [(0,)]:
        return None
    file = folder / f"{month:%Y-%m}.{secrets.token_hex(4)}.items.parquet"
    db.execute(f"SET memory_limit = '{LONG_LISTS_MEMORY}'")
    try:
        with translate_os_errors(file):
            rows = write_rows(db, SELECT_ROWS, file, options=OPTIONS)
            return SealedItems(month.date(), file.name, rows, file.stat().st_size, find_checksum(file))
    finally:
        db.execute(f"SET memory_limit = '{WRITER_SETTINGS['memory_limit']}'")


def seal_items(db: duckdb.DuckDBPyConnection, items: SealedItems, now: datetime) -> None:
    """Take the rows out of the table that `write_items` wrote. Call this function in a transaction."""
    db.execute(DELETE_ROWS)
    db.execute("INSERT INTO store.sealed_items VALUES (?, ?, ?, ?, ?, ?)", [*astuple(items), now])


def view_items(
    db: duckdb.DuckDBPyConnection, since: datetime | None = None, folder: Path | None = None
) -> None:
    """Create the temporary view known_items: at least the rows from `since` on, or all rows.

    `folder` has the files of a database that is no loader's. Raises SealedMonthUnreadable where this needs a
    file that is missing or damaged.
    """
    files = find_item_files(db, folder, since)
    for file in files:
        if problem := file.problem:
            raise SealedMonthUnreadable(problem, file.path)
    sealed = f" UNION ALL FROM {_read(files)}" if files else ""
    db.execute(f"CREATE OR REPLACE TEMP VIEW known_items AS FROM store.observed_items{sealed}")


def take_back_items(
    db: duckdb.DuckDBPyConnection, since: datetime | None, folder: Path | None = None
) -> None:
    """Move the rows of all files that may have one from `since` on back into the table, or all rows.

    `folder` has the files of a database that is no loader's. Raises SealedMonthUnreadable where one of the
    files is missing or damaged; then nothing is changed.
    """
    files = find_item_files(db, folder, since)
    if not files:
        return
    refuse_damaged(files, find_item_checksums(db))
    if folder is None:
        for file in files:
            file.path.touch()  # its time says since when nothing uses it
    with transaction(db):
        db.execute(f"INSERT INTO store.observed_items FROM {_read(files)}")
        db.execute(
            "DELETE FROM store.sealed_items WHERE list_contains(?, file)", [[f.path.name for f in files]]
        )


def find_item_files(
    db: duckdb.DuckDBPyConnection, folder: Path | None = None, since: datetime | None = None
) -> tuple[SealedFile, ...]:
    """Return the files with observed items, the oldest month first, that may have a row from `since` on.

    `folder` has the files of a database that is no loader's.
    """
    rows = fetch_if_known(db, SELECT_FILES)
    folder = folder or (find_sealed_folder(db) if rows else Path())
    files = (SealedFile(start_of(month), folder / file, size, CONTENT) for month, file, size in rows)
    return tuple(file for file in files if since is None or file.end > since)


def find_item_checksums(db: duckdb.DuckDBPyConnection) -> dict[str, str]:
    """Return the checksum of each file with observed items, by the name of the file."""
    return dict(fetch_if_known(db, SELECT_CHECKSUMS))


def _read(files: tuple[SealedFile, ...]) -> str:
    paths = ", ".join(quote_path(Path(glob.escape(str(file.path)))) for file in files)
    return f"read_parquet([{paths}], hive_partitioning = false)"
