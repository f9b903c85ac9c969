"""The ledger's table of the stream starts of the last day. Every method runs inside of a transaction."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from msgspec import Struct

from common.numbers import from_unix_time
from common.state_database import StateConnection

DAY: Final = 86_400.0


class StreamStartTable(Struct, frozen=True):
    """The stream starts of one key on one route. Times are Unix seconds."""

    db: StateConnection
    key: str
    route: str

    def count(self, now: float) -> int:
        """Delete the starts older than a day; return how many are left.

        A start in the future was written before the clock was set back, and moves to `now`.
        """
        scope = (self.key, self.route)
        self.db.execute(
            "DELETE FROM stream_start WHERE key_print = ? AND route = ? AND at <= ?", (*scope, now - DAY)
        )
        self.db.execute(
            "UPDATE stream_start SET at = ? WHERE key_print = ? AND route = ? AND at > ?", (now, *scope, now)
        )
        count = "SELECT count(*) FROM stream_start WHERE key_print = ? AND route = ?"
        return int(self.db.execute(count, scope).fetchone()[0])

    def next_free_at(self) -> datetime | None:
        """Return when the oldest start is a day old (UTC)."""
        oldest = "SELECT min(at) FROM stream_start WHERE key_print = ? AND route = ?"
        (at,) = self.db.execute(oldest, (self.key, self.route)).fetchone()
        return None if at is None else from_unix_time(at + DAY)

    def add(self, at: float, times: int = 1) -> None:
        """Add `times` starts at one time; none where `times` is negative."""
        self.db.executemany("INSERT INTO stream_start VALUES (?, ?, ?)", [(self.key, self.route, at)] * times)

    def drop(self, times: int, *, newest: bool = False) -> None:
        """Delete the oldest starts, or the newest; none where `times` is negative."""
        order = "DESC" if newest else "ASC"
        self.db.execute(
            "DELETE FROM stream_start WHERE rowid IN (SELECT rowid FROM stream_start"  # noqa: S608 - two words
            f" WHERE key_print = ? AND route = ? ORDER BY at {order} LIMIT ?)",
            (self.key, self.route, max(times, 0)),
        )

    def limit(self) -> int | None:
        """Return how many starts are allowed in 24 hours, if known."""
        query = "SELECT starts FROM stream_limit WHERE key_print = ? AND route = ?"
        row = self.db.execute(query, (self.key, self.route)).fetchone()
        return row[0] if row else None

    def set_limit(self, starts: int) -> None:
        """Set how many starts are allowed in 24 hours."""
        scope = (self.key, self.route)
        self.db.execute("DELETE FROM stream_limit WHERE key_print = ? AND route = ?", scope)
        self.db.execute("INSERT INTO stream_limit VALUES (?, ?, ?)", (*scope, starts))
