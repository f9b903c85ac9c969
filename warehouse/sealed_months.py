"""Seal months: move the history of a month that is over into a sorted Parquet file beside the database.

A file has each state of a quote whose time range overlaps its month, so that a moment of the past is read
from one file. `valid_to` is null where the state outlasts the month: the state ends in a later file, in
store.history, or in store.current. A landing that changes the past reopens its month and those after it.

The files are complete before one transaction takes their states out of store.history and makes the views
read the files: a process that is killed leaves at most files that nothing uses. Call the functions under the
writer's lock.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Collection, Iterator
from dataclasses import astuple, dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Final

import duckdb

from common.files import fsync_directory, translate_os_errors
from common.warehouse_errors import DatabaseUnreadable
from warehouse.database import quote_path, transaction, update_history
from warehouse.integrity import find_checksum
from warehouse.quote_states import (
    COLUMNS,
    OPEN_STATES,
    find_quote_states,
    find_sealed_folder,
    next_month,
    start_of,
)

SETTLING: Final = timedelta(days=2)  # landings of a month that is over are rare after so long
DELETE_AFTER: Final = timedelta(days=1)  # readers of an older published copy may still use a file
FORMAT: Final = "FORMAT parquet, PARQUET_VERSION V2, COMPRESSION zstd, ROW_GROUP_SIZE 122880"
ORDER: Final = "item_key, provider_key, currency, delivery, valid_from"
FIRST_MONTH: Final = f"""
SELECT coalesce((SELECT max(month) + INTERVAL 1 MONTH FROM store.sealed_month),
    (SELECT date_trunc('month', min(valid_from)) FROM ({OPEN_STATES})))::DATE
"""  # noqa: S608 - our own query
STATES: Final = f"""
SELECT * REPLACE (CASE WHEN valid_to < getvariable('month_end') THEN valid_to END AS valid_to)
FROM ({OPEN_STATES})
WHERE valid_from < getvariable('month_end') AND (valid_to IS NULL OR valid_to >= getvariable('month_start'))
"""  # noqa: S608 - our own query
FINGERPRINT: Final = "SELECT count(*), count(valid_to), bit_xor(hash(s)) FROM ({}) s"
SELECT_FILES: Final = "SELECT file, checksum FROM store.sealed_month ORDER BY month"


@dataclass(frozen=True, slots=True)
class SealedMonth:
    """A sealed month: its first day, and its file with the rows in it, of which some ended.

    `checksum` is what `find_checksum` returned of the file.
    """

    month: date
    file: str
    rows: int
    ended: int
    bytes: int
    checksum: str


def seal_months(db: duckdb.DuckDBPyConnection, now: datetime) -> list[SealedMonth]:
    """Seal every month that ended SETTLING before `now`; return these months.

    Raises DatabaseUnreadable where a file does not hold what was written to it, and WarehouseFull.
    """
    sealed = [_write_month(db, start, find_sealed_folder(db)) for start in _months_to_seal(db, now)]
    if not sealed:
        return []
    end = next_month(start_of(sealed[-1].month))
    with transaction(db):
        db.execute("DELETE FROM store.history WHERE valid_to < ?", [end])
        rows = [[*astuple(month), now] for month in sealed]
        db.executemany("INSERT INTO store.sealed_month VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
        update_history(db)
    return sealed


def _months_to_seal(db: duckdb.DuckDBPyConnection, now: datetime) -> Iterator[datetime]:
    """Yield the starts of the months that are over and not sealed, the oldest first."""
    ((first,),) = db.execute(FIRST_MONTH).fetchall()
    start = start_of(first) if first else now
    while next_month(start) + SETTLING <= now:
        yield start
        start = next_month(start)


def reopen_months(db: duckdb.DuckDBPyConnection, since: datetime, folder: Path | None = None) -> int:
    """Move the states of all sealed months that end after `since` back into store.history; return how many.

    `folder` has the files of a database that is no loader's. Raises DatabaseUnreadable where a file of these
    is missing or damaged; then nothing is changed.
    """
    states = find_quote_states(db, folder)
    months = [start for start in states.files if next_month(start) > since]
    if not months:
        return 0
    files = [states.files[start] for start in months]
    for file, damage in find_damaged_files(db, folder):
        if file in files:
            raise DatabaseUnreadable(f"{file} {damage}", file)
    for file in files:
        file.touch()  # its time says since when nothing uses it
    source = f"SELECT {COLUMNS} FROM ({states.sealed})"  # noqa: S608 - our own query
    with transaction(db):
        db.execute(
            f"INSERT INTO store.history BY NAME {source}"
            " WHERE valid_to IS NOT NULL AND list_contains(?, file) ORDER BY valid_to",
            [[str(file) for file in files]],
        )
        db.execute("DELETE FROM store.sealed_month WHERE month >= ?", [min(months).date()])
        update_history(db)
    return len(months)


def find_months(db: duckdb.DuckDBPyConnection) -> Iterator[tuple[str, str]]:
    """Yield the name of each sealed month's file, and its checksum, the oldest month first."""
    yield from db.execute(SELECT_FILES).fetchall()


def find_damaged_files(
    db: duckdb.DuckDBPyConnection, folder: Path | None = None
) -> Iterator[tuple[Path, str]]:
    """Yield the file of each sealed month that is not what was written, and what is wrong with the file."""
    for name, checksum in find_months(db):
        file = (folder or find_sealed_folder(db)) / name
        if not file.is_file():
            yield file, "is missing"
        elif find_checksum(file) != checksum:
            yield file, "is damaged"


def remove_unused_files(folder: Path, used: Collection[Path], now: datetime) -> None:
    """Delete the files of reopened months, and of seals that were killed, if older than DELETE_AFTER."""
    latest = (now - DELETE_AFTER).timestamp()
    for file in folder.glob("*.parquet*"):
        if file not in used and file.stat().st_mtime < latest:
            file.unlink(missing_ok=True)


def _write_month(db: duckdb.DuckDBPyConnection, start: datetime, folder: Path) -> SealedMonth:
    """Write the states of a month into a new file."""
    db.execute("SET VARIABLE month_start = ?", [start])
    db.execute("SET VARIABLE month_end = ?", [next_month(start)])
    file = folder / f"{start:%Y-%m}.{secrets.token_hex(4)}.parquet"
    with translate_os_errors(file):
        rows, ended = _write(db, file)
        return SealedMonth(start.date(), file.name, rows, ended, file.stat().st_size, find_checksum(file))


def _write(db: duckdb.DuckDBPyConnection, file: Path) -> tuple[int, int]:
    """Write the states of the month into a new file; return the number of its rows, and of the ended ones."""
    partial = file.with_name(file.name + ".partial")
    file.parent.mkdir(mode=0o700, exist_ok=True)
    try:
        db.execute(f"COPY ({STATES} ORDER BY {ORDER}) TO {quote_path(partial)} ({FORMAT})")
        counts = _verify(db, partial)
        partial.chmod(0o400)
        with partial.open("rb") as written:
            os.fsync(written.fileno())
        partial.replace(file)
        fsync_directory(file.parent)
    finally:
        partial.unlink(missing_ok=True)
    return counts


def _verify(db: duckdb.DuckDBPyConnection, file: Path) -> tuple[int, int]:
    """Return the counts of a file, which must have the states of the month. Raises DatabaseUnreadable."""
    (expected,) = db.execute(FINGERPRINT.format(STATES)).fetchall()
    source = f"SELECT {COLUMNS} FROM read_parquet({quote_path(file)}, hive_partitioning = false)"  # noqa: S608
    (written,) = db.execute(FINGERPRINT.format(source)).fetchall()
    if written != expected:
        raise DatabaseUnreadable(f"{file} does not hold what was written to it", file)
    return int(written[0]), int(written[1])
