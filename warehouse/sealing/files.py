"""The files of the sealed months: Parquet, sorted by item, whose times, prices and keys DuckDB packs small.

A row of a quiet market takes about 18 bytes, with the two ends of its time range in microseconds.
"""

from __future__ import annotations

import os
from collections.abc import Collection
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import duckdb

from common.files import fsync_directory
from common.warehouse_errors import SealedMonthUnreadable
from warehouse.database import quote_path
from warehouse.views.quote_states import COLUMNS

DELETE_AFTER: Final = timedelta(days=1)  # readers of an older published copy may still use a file
FORMAT: Final = "FORMAT parquet, PARQUET_VERSION V2, COMPRESSION zstd, ROW_GROUP_SIZE 122880"
ORDER: Final = "item_key, provider_key, currency, delivery, valid_from"
FINGERPRINT: Final = "SELECT count(*), count(valid_to), bit_xor(hash(s)) FROM ({}) s"


def write_states(db: duckdb.DuckDBPyConnection, states: str, file: Path) -> tuple[int, int]:
    """Write the rows of the query `states` into a new file, and compare what the file has with the query.

    Returns the number of the rows, and of those that ended. Raises SealedMonthUnreadable where the file does
    not have what was written.
    """
    partial = file.with_name(file.name + ".partial")
    file.parent.mkdir(mode=0o700, exist_ok=True)
    try:
        db.execute(f"COPY ({states} ORDER BY {ORDER}) TO {quote_path(partial)} ({FORMAT})")
        counts = _verify(db, states, partial)
        partial.chmod(0o400)
        with partial.open("rb") as written:
            os.fsync(written.fileno())
        partial.replace(file)
        fsync_directory(file.parent)
    finally:
        partial.unlink(missing_ok=True)
    return counts


def _verify(db: duckdb.DuckDBPyConnection, states: str, file: Path) -> tuple[int, int]:
    (expected,) = db.execute(FINGERPRINT.format(states)).fetchall()
    source = f"SELECT {COLUMNS} FROM read_parquet({quote_path(file)}, hive_partitioning = false)"  # noqa: S608
    (written,) = db.execute(FINGERPRINT.format(source)).fetchall()
    if written != expected:
        raise SealedMonthUnreadable(f"{file} does not hold what was written to it", file)
    return int(written[0]), int(written[1])


def remove_unused_files(folder: Path, used: Collection[Path], now: datetime) -> None:
    """Delete the files of reopened months, and of seals that were killed, if older than DELETE_AFTER."""
    latest = (now - DELETE_AFTER).timestamp()
    for file in folder.glob("*.parquet*"):
        if file not in used and file.stat().st_mtime < latest:
            file.unlink(missing_ok=True)
