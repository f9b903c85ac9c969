"""Whether a database file is whole, and which runs it holds.

The loader's database and the published copy are the same bytes after a publish, which records their checksum
and the version of the published file. A file with this checksum is whole. Any other file is read completely:
DuckDB has a checksum in each block, and checks those blocks only that a query reads.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Final

import duckdb
from isal import isal_zlib

from common.files import atomic_write, read_file_version, translate_os_errors
from common.warehouse_errors import DatabaseUnreadable
from warehouse.database import open_reader, quote_path, translate_duckdb_errors
from warehouse.database_files import log_of
from warehouse.migration import schema_version
from warehouse.queries.json_expression import identifier

PART: Final = 1 << 18  # bytes, which fit into the cache of a processor
TABLES: Final = """
SELECT schema_name, table_name FROM duckdb_tables()
WHERE database_name = current_database() AND NOT internal AND NOT temporary
"""


def has_content(path: Path) -> bool:
    """Return whether there is a database file that is not empty; DuckDB takes an empty file for a new one."""
    return path.is_file() and path.stat().st_size > 0


def record_checksum(path: Path, checksum_file: Path) -> None:
    """Record the checksum and the version of a file; a full disk lets the next check read the database."""
    with contextlib.suppress(OSError):
        version = read_file_version(path)  # before its content: a write in between is noticed
        atomic_write(checksum_file, f"{find_checksum(path)}\n{version}".encode())


def has_checksum(path: Path, checksum_file: Path) -> bool:
    """Return whether a database file has the recorded checksum, and no log: more content than the file."""
    recorded = _read_record(checksum_file)[0]
    if recorded == "" or log_of(path).exists():
        return False
    with translate_os_errors(path), contextlib.suppress(FileNotFoundError):
        return recorded == find_checksum(path)
    return False


def has_version(path: Path, checksum_file: Path) -> bool:
    """Return whether nobody has written or replaced a file since its version was recorded."""
    version = read_file_version(path)
    return version != "" and not log_of(path).exists() and _read_record(checksum_file)[1:] == [version]


def verify_database(path: Path, checksum_file: Path) -> None:
    """Raise DatabaseUnreadable where a part of a database file is not what was written.

    Raises the other errors of `open_reader`, too: of a file of a newer version, or one that is locked.
    """
    if has_checksum(path, checksum_file):
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


def _read_record(checksum_file: Path) -> list[str]:
    """Return the lines of a recorded checksum; an older Floorline wrote the first one only."""
    with contextlib.suppress(OSError):
        return checksum_file.read_text("utf-8", errors="replace").split("\n")
    return [""]


def find_checksum(path: Path) -> str:
    """Return the CRC-32 of a file in hexadecimal, and its size in bytes."""
    checksum = 0
    with path.open("rb") as file:
        while part := file.read(PART):
            checksum = isal_zlib.crc32(part, checksum)  # a fifth of the time of zlib's
    return f"{checksum:08x} {path.stat().st_size}"
