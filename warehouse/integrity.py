"""Whether a database file is whole, and which runs it holds.

The loader's database and the published copy are the same bytes after a publish, which records their checksum.
A file with this checksum is whole. Any other file is read completely: DuckDB has a checksum in each block,
and checks those blocks only that a query reads.
"""

from __future__ import annotations

import contextlib
import zlib
from pathlib import Path
from typing import Final

import duckdb

from common.files import atomic_write, translate_os_errors
from common.warehouse_errors import DatabaseUnreadable
from warehouse.database import open_reader, quote_path, schema_version, translate_duckdb_errors
from warehouse.database_files import log_of
from warehouse.json_expression import identifier

TABLES: Final = """
SELECT schema_name, table_name FROM duckdb_tables()
WHERE database_name = current_database() AND NOT internal AND NOT temporary
"""


def has_content(path: Path) -> bool:
    """Return whether there is a database file that is not empty; DuckDB takes an empty file for a new one."""
    return path.is_file() and path.stat().st_size > 0


def record_checksum(path: Path, checksum_file: Path) -> None:
    """Record the checksum of a file; where the disk is full, the next check reads the database instead."""
    with contextlib.suppress(OSError):
        atomic_write(checksum_file, find_checksum(path).encode())


def verify_database(path: Path, checksum_file: Path) -> None:
    """Raise DatabaseUnreadable where a part of a database file is not what was written.

    Raises the other errors of `open_reader`, too: of a file of a newer version, or one that is locked.
    """
    with translate_os_errors(path), contextlib.suppress(FileNotFoundError):
        has_log = log_of(path).exists()  # a killed writer left it: the content is more than that of the file
        if not has_log and checksum_file.read_bytes() == find_checksum(path).encode():
            return
    with open_reader(path) as db:
        if not schema_version(db):
            raise DatabaseUnreadable(f"{path} is not a database of Floorline", path)
        for names in db.execute(TABLES).fetchall():
            table = ".".join(map(identifier, names))
            db.execute(f"SELECT bit_xor(hash(t)) FROM {table} t").fetchall()  # noqa: S608 - quoted names


def is_whole(path: Path, checksum_file: Path) -> bool:
    """Return whether there is a database file at `path` that `verify_database` finds whole."""
    if not has_content(path):
        return False
    try:
        verify_database(path, checksum_file)
    except DatabaseUnreadable:
        return False
    return True


def read_run_ids(path: Path) -> set[str]:
    """Return the ids of the runs that a database file holds. Raises DatabaseUnreadable."""
    with open_reader(path) as db:
        return {run_id for (run_id,) in db.execute("SELECT run_id FROM store.run").fetchall()}


def count_missing_runs(path: Path, reference: Path) -> int:
    """Return how many runs of the database file `reference` are not in `path`.

    Raises DatabaseUnreadable, with the path of the file that is damaged.
    """
    with duckdb.connect() as db:
        with translate_duckdb_errors(reference):
            db.execute(f"ATTACH {quote_path(reference)} AS reference (READ_ONLY)")
            db.execute("CREATE TEMP TABLE wanted AS SELECT run_id FROM reference.store.run")
        with translate_duckdb_errors(path):
            db.execute(f"ATTACH {quote_path(path)} AS checked (READ_ONLY)")
            query = "SELECT count(*) FROM wanted ANTI JOIN checked.store.run USING (run_id)"
            return int(db.execute(query).fetchall()[0][0])


def find_checksum(path: Path) -> str:
    """Return the CRC-32 of a file in hexadecimal, and its size in bytes."""
    checksum = 0
    with path.open("rb") as file:
        while part := file.read(1 << 20):
            checksum = zlib.crc32(part, checksum)
    return f"{checksum:08x} {path.stat().st_size}"
