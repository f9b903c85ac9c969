"""The minute of a key: requests that count in it, and those that stand in line; inside a transaction."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from typing import Final

SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS slot (
    ticket INTEGER PRIMARY KEY AUTOINCREMENT, key_print TEXT NOT NULL,
    cost INTEGER NOT NULL, metered INTEGER NOT NULL, sent INTEGER NOT NULL, free_at REAL NOT NULL
);
CREATE INDEX IF NOT EXISTS slot_of_key ON slot (key_print);
"""
WINDOW: Final = 60.0
# Who stands in line asks again this often, and has left the line after as long again without asking.
ASK_AGAIN: Final = 5.0


@dataclass(frozen=True, slots=True)
class Slots:
    """The requests of one key. Moments are monotonic seconds."""

    db: sqlite3.Connection
    key: str

    def tidy(self, now: float, lease: float) -> None:
        """Drop what counts no longer.

        What would count for longer than any request does, by a minute and more, was written before the
        machine started anew; a minute is enough for it. Nearer than that it may be another process's, let go
        after `now` was read.
        """
        self.db.execute("DELETE FROM slot WHERE key_print = ? AND free_at <= ?", (self.key, now))
        self.db.execute(
            "UPDATE slot SET free_at = ? WHERE key_print = ? AND free_at > ?",
            (now + WINDOW, self.key, now + max(lease, 2 * ASK_AGAIN) + WINDOW),
        )

    def wait(self, ticket: int, cost: int, per_minute: int, now: float) -> float:
        """Seconds until there may be room for a request and for all who came before it.

        A newcomer's ticket is 0. What has no answer yet counts for a minute more at least.
        """
        over = self._taken(ticket) + min(cost, per_minute) - per_minute
        if over <= 0:
            return 0.0
        sent = "SELECT cost, free_at FROM slot WHERE key_print = ? AND sent ORDER BY free_at"
        for freed, free_at in self.db.execute(sent, (self.key,)):
            over -= freed
            if over <= 0:
                return min(float(free_at) - now, WINDOW)
        return ASK_AGAIN  # those who came before need more room than there is

    def _taken(self, ticket: int) -> int:
        taken = self.db.execute(
            "SELECT total(cost) FROM slot WHERE key_print = ?1 AND (sent OR ticket < ?2 OR ?2 = 0)",
            (self.key, ticket),
        )
        return int(taken.fetchone()[0])

    def put(self, ticket: int, cost: int, *, metered: bool, sent: bool, free_at: float) -> int:
        """Write a request down as sent, or as standing in line, until `free_at`; its ticket."""
        written = self.db.execute(
            "INSERT INTO slot VALUES (?, ?, ?, ?, ?, ?)"
            " ON CONFLICT DO UPDATE SET sent = excluded.sent, free_at = excluded.free_at RETURNING ticket",
            (ticket or None, self.key, cost, metered, sent, free_at),
        )
        return int(written.fetchone()[0])

    def answered(self, ticket: int, free_at: float) -> None:
        """Have a request that was sent count until `free_at`."""
        self.db.execute("UPDATE slot SET free_at = ? WHERE ticket = ?", (free_at, ticket))

    def remove(self, ticket: int) -> bool:
        """Drop a request; whether it counted in the month."""
        gone = self.db.execute("DELETE FROM slot WHERE ticket = ? RETURNING metered AND sent", (ticket,))
        return any(counted for (counted,) in gone.fetchall())

    def unsettled(self, since: float, own: int) -> int:
        """Requests of the month, but for `own`, that had no answer at the moment `since` or left later."""
        found = self.db.execute(
            "SELECT count(*) FROM slot"
            " WHERE key_print = ? AND sent AND metered AND free_at > ? AND ticket <> ?",
            (self.key, since + WINDOW, own),
        )
        return int(found.fetchone()[0])
