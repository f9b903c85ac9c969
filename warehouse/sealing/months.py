"""Seal months: move the states of a month that is over from store.history into a file; take them back.

The file of a month has each state of a quote whose time range overlaps its month, so that a moment of the
past is read from one file. `valid_to` is null where the state outlasts the month: the state ends in a later
file, in store.history, or in store.current. A landing that changes the past reopens its month and those
after it.

What the runs returned up to the end of the month, store.observed_items, moves into another file; see
warehouse.sealing.observed_items.

In a lake, the rows of a month are in store.sealed_row, which DuckLake divides by month: one transaction moves
them there, and the load that changes the past moves them back. What the runs returned stays where it is: no
publish copies it.

The files are complete before one transaction takes their rows out of the database and names the files there:
a process that is killed leaves at most files that nothing uses. Call the functions under the writer's lock.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import astuple
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import duckdb

from common.files import translate_os_errors
from warehouse.database import quote_path
from warehouse.integrity import find_checksum
from warehouse.migration import update_history
from warehouse.sealing.files import ORDER, find_damaged, refuse_damaged, write_rows
from warehouse.sealing.observed_items import find_item_checksums, find_item_files, seal_items, write_items
from warehouse.sealing.parts import SealedMonth, delete_months, insert_month
from warehouse.transactions import transaction
from warehouse.views.quote_states import (
    COLUMNS,
    OPEN_STATES,
    QuoteStates,
    find_quote_states,
    find_sealed_folder,
    is_lake,
)
from warehouse.views.sealed_files import next_month, start_of

SETTLING: Final = timedelta(days=2)  # landings of a month that is over are rare after so long
FIRST_MONTH: Final = f"""
SELECT coalesce((SELECT max(month) + INTERVAL 1 MONTH FROM store.sealed_month),
    (SELECT greatest(date_trunc('month', min(valid_from)), (SELECT max(since) FROM store.kept_history))
        FROM ({OPEN_STATES})))::DATE
"""  # noqa: S608 - our own query
STATES: Final = f"""
SELECT * REPLACE (CASE WHEN valid_to < getvariable('month_end') THEN valid_to END AS valid_to)
FROM ({OPEN_STATES})
WHERE valid_from < getvariable('month_end') AND (valid_to IS NULL OR valid_to >= getvariable('month_start'))
"""  # noqa: S608 - our own query
COUNT_ENDED: Final = "SELECT count(valid_to) FROM read_parquet({}, hive_partitioning = false)"
TAKE_BACK: Final = f"""
INSERT INTO store.history BY NAME SELECT {COLUMNS} FROM ({{}}) WHERE valid_to IS NOT NULL ORDER BY valid_to
"""  # noqa: S608 - our own query
SELECT_CHECKSUMS: Final = "SELECT file, checksum FROM store.sealed_month ORDER BY month"


def seal_months(db: duckdb.DuckDBPyConnection, now: datetime) -> list[SealedMonth]:
    """Seal every month that ended SETTLING before `now`; return these months.

    Raises SealedMonthUnreadable where a file does not hold what was written to it, and WarehouseFull.
    """
    return [_seal_month(db, start, now) for start in list(_months_to_seal(db, now))]


def _seal_month(db: duckdb.DuckDBPyConnection, start: datetime, now: datetime) -> SealedMonth:
    in_lake = is_lake(db)
    items = None
    if not in_lake:
        folder = find_sealed_folder(db)
        month, items = _write_month(db, start, folder), write_items(db, start, folder)
    with transaction(db):  # one for each month: to delete 40 million rows takes more memory than a load has
        if in_lake:
            month = insert_month(db, _set_month(db, start), STATES)
        db.execute("DELETE FROM store.history WHERE valid_to < ?", [next_month(start)])
        db.execute("INSERT INTO store.sealed_month VALUES (?, ?, ?, ?, ?, ?, ?)", [*astuple(month), now])
        if items:
            seal_items(db, items, now)
        update_history(db)
    return month


def _months_to_seal(db: duckdb.DuckDBPyConnection, now: datetime) -> Iterator[datetime]:
    """Yield the starts of the months that are over and not sealed, the oldest first."""
    ((first,),) = db.execute(FIRST_MONTH).fetchall()
    start = start_of(first) if first else now
    while next_month(start) + SETTLING <= now:
        yield start
        start = next_month(start)


def _write_month(db: duckdb.DuckDBPyConnection, start: datetime, folder: Path) -> SealedMonth:
    """Write the states of a month into a new file."""
    _set_month(db, start)
    file = folder / f"{start:%Y-%m}.{secrets.token_hex(4)}.parquet"
    with translate_os_errors(file):
        rows = write_rows(db, STATES, file, order=ORDER)
        ((ended,),) = db.execute(COUNT_ENDED.format(quote_path(file))).fetchall()
        return SealedMonth(start.date(), file.name, rows, ended, file.stat().st_size, find_checksum(file))


def _set_month(db: duckdb.DuckDBPyConnection, start: datetime) -> datetime:
    """Set the variables that STATES reads; return the start of the month."""
    db.execute("SET VARIABLE month_start = ?", [start])
    db.execute("SET VARIABLE month_end = ?", [next_month(start)])
    return start


def reopen_months(db: duckdb.DuckDBPyConnection, since: datetime, folder: Path | None = None) -> int:
    """Move the states of all sealed months that end after `since` back into store.history; return how many.

    `folder` has the files of a database that is no loader's. Raises SealedMonthUnreadable where a file of
    these is missing or damaged; then nothing is changed.
    """
    states = find_quote_states(db, folder).since(since)
    if states.parts:
        return _reopen_parts(db, states)
    if not states.files:
        return 0
    refuse_damaged(states.files, _find_state_checksums(db))
    if folder is None:
        for file in states.files:
            file.path.touch()  # its time says since when nothing uses it
    # Of many months, one transaction takes more memory than a loader has.
    parts = [(file,) for file in reversed(states.files)] if folder is None else [states.files]
    for files in parts:
        with transaction(db):
            db.execute(TAKE_BACK.format(QuoteStates(files).sealed))
            db.execute("DELETE FROM store.sealed_month WHERE month >= ?", [files[0].month.date()])
            update_history(db)
    return len(states.files)


def _reopen_parts(db: duckdb.DuckDBPyConnection, states: QuoteStates) -> int:
    """Move the rows of a lake's sealed months back into store.history; return how many months."""
    with transaction(db):
        db.execute(TAKE_BACK.format(states.sealed))
        delete_months(db, states.parts)
        update_history(db)
    return len(states.parts)


def find_checksums(db: duckdb.DuckDBPyConnection) -> dict[str, str]:
    """Return the checksum of each file of the sealed months, by the name of the file."""
    return _find_state_checksums(db) | find_item_checksums(db)


def _find_state_checksums(db: duckdb.DuckDBPyConnection) -> dict[str, str]:
    return dict(db.execute(SELECT_CHECKSUMS).fetchall())


def find_damaged_files(
    db: duckdb.DuckDBPyConnection, folder: Path | None = None
) -> Iterator[tuple[Path, str]]:
    """Yield each file of the sealed months that is not what was written, and what is wrong with the file."""
    files = (*find_quote_states(db, folder).files, *find_item_files(db, folder))
    yield from find_damaged(files, find_checksums(db))
