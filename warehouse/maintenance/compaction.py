"""Write a database file anew without the blocks that are in no use: each publish copies them, too."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import duckdb

from common.files import fsync_directory
from warehouse.database import WITHOUT_LOG, WRITER_SETTINGS, duckdb_path, quote_path, translate_duckdb_errors
from warehouse.database_files import log_of, temporary_database

LEAST_SHARE: Final = 0.25  # of the file: the next loads use a smaller part themselves
LEAST_BYTES: Final = 16 << 20
SELECT_BLOCKS: Final = """
SELECT total_blocks, free_blocks, block_size FROM pragma_database_size()
WHERE database_name = current_database()
"""
# The index of 600,000 quotes alone takes 128 MB, which a load never has to build at once.
SETTINGS: Final = {
    **WRITER_SETTINGS,
    **WITHOUT_LOG,
    "memory_limit": "1GB",
    "threads": "1",
    "preserve_insertion_order": "true",
}


def count_used_bytes(db: duckdb.DuckDBPyConnection) -> int:
    """Return the bytes of a database's file that are in use."""
    ((total, free, size),) = db.execute(SELECT_BLOCKS).fetchall()
    return int((total - free) * size)


def is_worth_compacting(path: Path) -> bool:
    """Return whether much of a database file is in no use, and a quarter of the file or more."""
    with translate_duckdb_errors(path), duckdb.connect(duckdb_path(path), read_only=True) as db:
        ((total, free, size),) = db.execute(SELECT_BLOCKS).fetchall()
        return bool(free > total * LEAST_SHARE and free * size > LEAST_BYTES)


def compact(path: Path) -> None:
    """Replace a database file by a copy without unused blocks. Call it under `writer_lock`.

    A process that is killed leaves the old file or the new one, whole. Raises WarehouseFull, and
    DatabaseUnreadable.
    """
    compacted = path.with_name("compacted.duckdb")
    with temporary_database(compacted), translate_duckdb_errors(path):
        with duckdb.connect(config=dict(SETTINGS)) as db:
            db.execute(f"ATTACH {quote_path(path)} AS old (READ_ONLY)")
            db.execute(f"ATTACH {quote_path(compacted)} AS new")
            db.execute("COPY FROM DATABASE old TO new")
        compacted.chmod(0o600)
        with compacted.open("rb") as file:
            os.fsync(file.fileno())
        log_of(path).unlink(missing_ok=True)  # of no content: the old file was opened and closed
        compacted.replace(path)
        fsync_directory(path.parent)
