"""The sealed months of a lake: rows of store.sealed_row, which DuckLake keeps in files by month."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

import duckdb

from warehouse.sealing.files import ORDER
from warehouse.views.quote_states import COLUMNS
from warehouse.views.sealed_files import SealedPart

INSERT: Final = f"""
INSERT INTO store.sealed_row (month, {COLUMNS}) SELECT ?, {COLUMNS} FROM ({{}}) ORDER BY {ORDER}
"""  # noqa: S608 - our own query
COUNT: Final = "SELECT count(*), count(valid_to) FROM store.sealed_row WHERE month = ?"
DELETE: Final = "DELETE FROM store.{table} WHERE {column} IN (SELECT unnest(?::VARCHAR[]))"


@dataclass(frozen=True, slots=True)
class SealedMonth:
    """A sealed month: its first day, and its file with the rows in it, of which some ended.

    `checksum` is what `find_checksum` returned of the file.
    """

    month: date
    file: str
    rows: int
    ended: int
    size_bytes: int
    checksum: str


def insert_month(db: duckdb.DuckDBPyConnection, start: datetime, states: str) -> SealedMonth:
    """Insert the states of the month that begins at `start` into store.sealed_row, in the open transaction.

    `states` is a query of these states.
    """
    key = f"/{start:%Y-%m}"
    db.execute(INSERT.format(states), [key])
    ((rows, ended),) = db.execute(COUNT, [key]).fetchall()
    return SealedMonth(start.date(), key, rows, ended, size_bytes=0, checksum="")


def delete_months(db: duckdb.DuckDBPyConnection, parts: Sequence[SealedPart]) -> None:
    """Delete sealed months of a lake with their rows, in the open transaction."""
    keys = [part.key for part in parts]
    db.execute(DELETE.format(table="sealed_row", column="month"), [keys])
    db.execute(DELETE.format(table="sealed_month", column="file"), [keys])
