"""The files of the sealed months: Parquet, whose times, prices and keys DuckDB packs small.

A state of a quiet market takes about 18 bytes, with the two ends of its time range in microseconds.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import duckdb

from common.files import fsync_directory
from common.warehouse_errors import SealedMonthUnreadable
from warehouse.database import quote_path
from warehouse.integrity import find_checksum
from warehouse.views.sealed_files import SealedFile

DELETE_AFTER: Final = timedelta(days=1)  # readers of an older published copy may still use a file
FORMAT: Final = "FORMAT parquet, PARQUET_VERSION V2, COMPRESSION zstd, ROW_GROUP_SIZE 122880"
# Of states: a question about an item reads a small part of the file.
ORDER: Final = "item_key, provider_key, currency, delivery, valid_from"
FINGERPRINT: Final = "SELECT count(*), bit_xor(hash(s)) FROM ({}) s"


def write_rows(
    db: duckdb.DuckDBPyConnection, query: str, file: Path, *, order: str | None = None, options: str = FORMAT
) -> int:
    """Write the rows of a query into a new file, sorted, and compare what the file has with the query.

    Returns the number of the rows. Raises SealedMonthUnreadable where the file does not have what was
    written.
    """
    partial = file.with_name(file.name + ".partial")
    file.parent.mkdir(mode=0o700, exist_ok=True)
    try:
        ordered = f"{query} ORDER BY {order}" if order else query
        db.execute(f"COPY ({ordered}) TO {quote_path(partial)} ({options})")
        rows = _verify(db, query, partial)
        partial.chmod(0o400)
        with partial.open("rb") as written:
            os.fsync(written.fileno())
        partial.replace(file)
        fsync_directory(file.parent)
    finally:
        partial.unlink(missing_ok=True)
    return rows


def _verify(db: duckdb.DuckDBPyConnection, query: str, file: Path) -> int:
    (expected,) = db.execute(FINGERPRINT.format(query)).fetchall()
    source = f"FROM read_parquet({quote_path(file)}, hive_partitioning = false)"
    (written,) = db.execute(FINGERPRINT.format(source)).fetchall()
    if written != expected:
        raise SealedMonthUnreadable(f"{file} does not hold what was written to it", file)
    return int(written[0])


def find_damaged(files: Iterable[SealedFile], checksums: Mapping[str, str]) -> Iterator[tuple[Path, str]]:
    """Yield each file that is not what was written, and what is wrong with the file."""
    for file in files:
        if problem := file.problem:
            yield file.path, problem
        elif find_checksum(file.path) != checksums[file.path.name]:
            yield file.path, file.damage


def refuse_damaged(files: Iterable[SealedFile], checksums: Mapping[str, str]) -> None:
    """Raise SealedMonthUnreadable where a file is missing or damaged."""
    for path, problem in find_damaged(files, checksums):
        raise SealedMonthUnreadable(problem, path)


def remove_unused_files(folder: Path, used: Collection[Path], now: datetime) -> None:
    """Delete the files of reopened months, and of seals that were killed, if older than DELETE_AFTER."""
    latest = (now - DELETE_AFTER).timestamp()
    for file in folder.glob("*.parquet*"):
        if file not in used and file.stat().st_mtime < latest:
            file.unlink(missing_ok=True)
