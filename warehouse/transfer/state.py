"""Copy the state of one machine, `state.db`, into the database that machines share."""

from __future__ import annotations

from typing import Final

from common.state_database import StateConnection, StateDatabase
from common.warehouse_errors import SharedNotEmpty

# Each table with what identifies a row. Not `slot`: requests of the last minute, by this machine's clock.
TABLES: Final = {
    "alert": ("alert_id",),
    "telling": ("alert_id", "channel"),
    "channel_trial": ("channel",),
    "missed_tick": ("basket", "due_at"),
    "rejection": ("source",),
    "backfill": ("backfill_id",),
    "backfill_shard": ("backfill_id", "number"),
    "budget": ("key_print",),
    "hold": ("key_print",),
    "stream_start": ("key_print", "route", "at"),
    "stream_limit": ("key_print", "route"),
}
# A record: what the target alone has of it would be lost.
RECORD: Final = ("alert", "backfill")
# Moments of this machine's clock, which mean nothing on another one.
LOCAL_MOMENTS: Final = frozenset({"held_at", "held_until"})
NUMBER_ALERTS: Final = """
SELECT setval(pg_get_serial_sequence('alert', 'alert_id'), coalesce(max(alert_id), 0) + 1, false) FROM alert
"""


def copy_state(source: StateDatabase, target: StateDatabase) -> int:
    """Replace the state of `target` by that of `source`, in one transaction; return the number of rows.

    Raises SharedNotEmpty where `target` has alerts or backfills that `source` lacks.
    """
    with source.read(*TABLES) as old, target.transaction() as new:
        for table in RECORD:
            _refuse_other_rows(old, new, table)
        copied = sum(_copy_table(old, new, table) for table in TABLES)
        new.execute(NUMBER_ALERTS)
        return copied


def _refuse_other_rows(old: StateConnection, new: StateConnection, table: str) -> None:
    (key,) = TABLES[table]
    query = f"SELECT {key} FROM {table}"  # noqa: S608 - words of this module
    known = {row[0] for row in old.execute(query)}
    if any(row[0] not in known for row in new.execute(query)):
        raise SharedNotEmpty(f"the shared database has rows of {table} already that this machine lacks")


def _copy_table(old: StateConnection, new: StateConnection, table: str) -> int:
    rows = old.execute(f"SELECT * FROM {table} ORDER BY {', '.join(TABLES[table])}").fetchall()  # noqa: S608
    new.execute(f"DELETE FROM {table}")  # noqa: S608 - words of this module
    if rows:
        columns = list(rows[0].keys())
        values = [[0 if name in LOCAL_MOMENTS else row[name] for name in columns] for row in rows]
        places = ", ".join("?" for _ in columns)
        new.executemany(f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({places})", values)  # noqa: S608
    return len(rows)
