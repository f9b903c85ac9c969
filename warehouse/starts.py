"""The stream starts of a key in the last 24 hours, a route at a time; inside a transaction."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS stream_start (key_print TEXT NOT NULL, route TEXT NOT NULL, at REAL NOT NULL);
CREATE TABLE IF NOT EXISTS stream_limit (
    key_print TEXT NOT NULL, route TEXT NOT NULL, starts INTEGER NOT NULL, PRIMARY KEY (key_print, route)
);
"""
DAY: Final = 86_400.0


@dataclass(frozen=True, slots=True)
class Starts:
    """The starts of one key on one route. Moments are Unix seconds."""

    db: sqlite3.Connection
    key: str
    route: str

    def counted(self, now: float) -> int:
        """How many of the last day there are; drops the older ones.

        One that lies ahead was written by a clock that has gone back since, and is taken for one of now.
        """
        scope = (self.key, self.route)
        self.db.execute(
            "DELETE FROM stream_start WHERE key_print = ? AND route = ? AND at <= ?", (*scope, now - DAY)
        )
        self.db.execute(
            "UPDATE stream_start SET at = ?3 WHERE key_print = ?1 AND route = ?2 AND at > ?3", (*scope, now)
        )
        count = "SELECT count(*) FROM stream_start WHERE key_print = ? AND route = ?"
        return int(self.db.execute(count, scope).fetchone()[0])

    def next_free(self) -> datetime | None:
        """When the oldest is a day old (UTC)."""
        oldest = "SELECT min(at) FROM stream_start WHERE key_print = ? AND route = ?"
        (at,) = self.db.execute(oldest, (self.key, self.route)).fetchone()
        return None if at is None else datetime.fromtimestamp(at + DAY, UTC)

    def add(self, at: float, times: int = 1) -> None:
        """Count starts at this moment."""
        self.db.executemany("INSERT INTO stream_start VALUES (?, ?, ?)", [(self.key, self.route, at)] * times)

    def drop(self, times: int, *, newest: bool = False) -> None:
        """Forget the oldest starts, or the newest."""
        first = "DESC" if newest else "ASC"
        self.db.execute(
            "DELETE FROM stream_start WHERE rowid IN (SELECT rowid FROM stream_start"  # noqa: S608 - two words
            f" WHERE key_print = ? AND route = ? ORDER BY at {first} LIMIT ?)",
            (self.key, self.route, max(times, 0)),
        )

    def limit(self) -> int | None:
        """How many there may be, if that is known."""
        told = "SELECT starts FROM stream_limit WHERE key_print = ? AND route = ?"
        row = self.db.execute(told, (self.key, self.route)).fetchone()
        return row[0] if row else None

    def allow(self, starts: int) -> None:
        """Set how many there may be."""
        self.db.execute(
            "INSERT OR REPLACE INTO stream_limit VALUES (?, ?, ?)", (self.key, self.route, starts)
        )
