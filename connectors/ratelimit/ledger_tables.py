"""The minute of a key: requests that count in it, and those that stand in line; inside a transaction.

A row is a request in line, or what was let go on one ticket: `metered` says how many of it the month counts.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

WINDOW: Final = 60.0
# Who stands in line asks again this often, and has left the line after as long again without asking.
ASK_AGAIN: Final = 5.0
# Who lets several requests go at once takes so small a part of what is left that nobody else misses it.
BATCH_DIVISOR: Final = 64


@dataclass(frozen=True, slots=True)
class RequestTable:
    """The requests of one key. Moments are monotonic seconds."""

    db: sqlite3.Connection
    key: str

    def delete_expired(self, now: float) -> None:
        """Drop what counts no longer."""
        self.db.execute("DELETE FROM slot WHERE key_print = ? AND free_at <= ?", (self.key, now))

    def rebase_after_reboot(self, now: float, lease: float) -> None:
        """Have what was sent before the machine started anew count for a minute, which is enough.

        It would count for longer than any request does, by a minute and more. Nearer than that it may be
        another process's, let go after `now` was read.
        """
        self.db.execute(
            "UPDATE slot SET free_at = ? WHERE key_print = ? AND free_at > ?",
            (now + WINDOW, self.key, now + max(lease, 2 * ASK_AGAIN) + WINDOW),
        )

    def count_in_use(self, ticket: int) -> tuple[int, int]:
        """What the others take: those that were sent or came before a ticket (a newcomer's is 0), and all."""
        first, everybody = self.db.execute(
            "SELECT total(cost) FILTER (WHERE sent OR ticket < ?2 OR ?2 = 0), total(cost) FROM slot"
            " WHERE key_print = ?1 AND (sent OR ticket <> ?2)",
            (self.key, ticket),
        ).fetchone()
        return int(first), int(everybody)

    def wait_time(self, over: int, now: float) -> float:
        """Seconds until there may be room for `over` more than there is.

        What has no answer yet counts for a minute more at least.
        """
        if over <= 0:
            return 0.0
        sent = "SELECT cost, free_at FROM slot WHERE key_print = ? AND sent ORDER BY free_at"
        for freed, free_at in self.db.execute(sent, (self.key,)):
            over -= freed
            if over <= 0:
                return min(float(free_at) - now, WINDOW)
        return ASK_AGAIN  # those who came before need more room than there is

    def upsert(self, ticket: int, cost: int, metered: int, *, sent: bool, free_at: float) -> int:
        """Write down what was sent, or stands in line, until `free_at`; its ticket."""
        written = self.db.execute(
            "INSERT INTO slot VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET cost = excluded.cost,"
            " metered = excluded.metered, sent = excluded.sent, free_at = excluded.free_at RETURNING ticket",
            (ticket or None, self.key, cost, metered, sent, free_at),
        )
        return int(written.fetchone()[0])

    def settle(self, ticket: int, free_at: float) -> None:
        """Have what was sent on a ticket count until `free_at`."""
        self.db.execute("UPDATE slot SET free_at = ? WHERE ticket = ?", (free_at, ticket))

    def remove(self, ticket: int, cost: int) -> int:
        """Drop what costs so much of a ticket; how much of it counted in the month."""
        found = "SELECT cost, metered, sent FROM slot WHERE ticket = ?"
        for had, metered, sent in self.db.execute(found, (ticket,)).fetchall():
            gone = min(int(metered), cost)
            if had <= cost:
                self.db.execute("DELETE FROM slot WHERE ticket = ?", (ticket,))
            else:
                self.db.execute(
                    "UPDATE slot SET cost = ?, metered = ? WHERE ticket = ?",
                    (had - cost, metered - gone, ticket),
                )
            return gone if sent else 0
        return 0

    def count_unsettled(self, since: float, own: int) -> int:
        """Requests of the month, but for one of the ticket `own`, that may have had no answer at `since`.

        Of what was let go together, the last answer counts: there may be so many at most.
        """
        found = self.db.execute(
            "SELECT total(max(metered - (ticket = ?), 0)) FROM slot"
            " WHERE key_print = ? AND sent AND free_at > ?",
            (own, self.key, since + WINDOW),
        )
        return int(found.fetchone()[0])


DAY: Final = 86_400.0


@dataclass(frozen=True, slots=True)
class StreamStartTable:
    """The starts of one key on one route. Moments are Unix seconds."""

    db: sqlite3.Connection
    key: str
    route: str

    def count(self, now: float) -> int:
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

    def next_free_at(self) -> datetime | None:
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

    def set_limit(self, starts: int) -> None:
        """Set how many there may be."""
        self.db.execute(
            "INSERT OR REPLACE INTO stream_limit VALUES (?, ?, ?)", (self.key, self.route, starts)
        )
