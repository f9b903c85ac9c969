"""The ledger's tables of one key: requests of the last minute, and stream starts of the last day.

Every method runs inside of the ledger's transaction.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

WINDOW: Final = 60.0
DAY: Final = 86_400.0
# A queued request asks again at least this often (seconds), and leaves the queue after twice that time.
POLL_INTERVAL: Final = 5.0
# A batch of permits takes so small a part of what is left that no other process misses it.
BATCH_DIVISOR: Final = 64


@dataclass(frozen=True, slots=True)
class RequestTable:
    """The requests of one key that count in the minute. Times are monotonic seconds.

    A row is a queued request, or the admitted requests of one ticket, `metered` of which the month counts.
    """

    db: sqlite3.Connection
    key: str

    def delete_expired(self, now: float) -> None:
        """Delete the rows that count no longer."""
        self.db.execute("DELETE FROM slot WHERE key_print = ? AND free_at <= ?", (self.key, now))

    def rebase_after_reboot(self, now: float, lease: float) -> None:
        """After a reboot the monotonic clock restarts: expire older requests in one minute.

        Such rows expire later than any request can, by more than a minute. A row that expires only slightly
        later may belong to another process, which admitted its request after `now` was read.
        """
        self.db.execute(
            "UPDATE slot SET free_at = ? WHERE key_print = ? AND free_at > ?",
            (now + WINDOW, self.key, now + max(lease, 2 * POLL_INTERVAL) + WINDOW),
        )

    def count_in_use(self, ticket: int) -> tuple[int, int]:
        """Return the cost of the other rows: of those before `ticket` (0 for a new request), and of all.

        A sent request is before every queued one.
        """
        before, total = self.db.execute(
            "SELECT total(cost) FILTER (WHERE sent OR ticket < ?2 OR ?2 = 0), total(cost) FROM slot"
            " WHERE key_print = ?1 AND (sent OR ticket <> ?2)",
            (self.key, ticket),
        ).fetchone()
        return int(before), int(total)

    def wait_time(self, shortfall: int, now: float) -> float:
        """Return the seconds until `shortfall` more cost may be free.

        A request without a response counts for at least a minute more.
        """
        if shortfall <= 0:
            return 0.0
        sent = "SELECT cost, free_at FROM slot WHERE key_print = ? AND sent ORDER BY free_at"
        for cost, free_at in self.db.execute(sent, (self.key,)):
            shortfall -= cost
            if shortfall <= 0:
                return min(float(free_at) - now, WINDOW)
        return POLL_INTERVAL  # the queued requests before this one need more than all sent ones free

    def upsert(self, ticket: int, cost: int, metered: int, *, sent: bool, free_at: float) -> int:
        """Insert or update the row of a ticket (0: a new one) until `free_at`; return the ticket."""
        row = self.db.execute(
            "INSERT INTO slot VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET cost = excluded.cost,"
            " metered = excluded.metered, sent = excluded.sent, free_at = excluded.free_at RETURNING ticket",
            (ticket or None, self.key, cost, metered, sent, free_at),
        ).fetchone()
        return int(row[0])

    def settle(self, ticket: int, free_at: float) -> None:
        """Let the requests of a ticket count until `free_at`."""
        self.db.execute("UPDATE slot SET free_at = ? WHERE ticket = ?", (free_at, ticket))

    def remove(self, ticket: int, cost: int) -> int:
        """Take `cost` off a ticket; return how many of the removed requests the month had counted."""
        query = "SELECT cost, metered, sent FROM slot WHERE ticket = ?"
        row = self.db.execute(query, (ticket,)).fetchone()
        if row is None:
            return 0
        total, metered, sent = row
        removed = min(int(metered), cost)
        if total <= cost:
            self.db.execute("DELETE FROM slot WHERE ticket = ?", (ticket,))
        else:
            self.db.execute(
                "UPDATE slot SET cost = ?, metered = ? WHERE ticket = ?",
                (total - cost, metered - removed, ticket),
            )
        return removed if sent else 0

    def count_unsettled(self, since: float, own: int) -> int:
        """Return the requests of the month that may have had no response at `since`, less one of `own`.

        The requests of a ticket share the time of the last response, so this is an upper bound.
        """
        row = self.db.execute(
            "SELECT total(max(metered - (ticket = ?), 0)) FROM slot"
            " WHERE key_print = ? AND sent AND free_at > ?",
            (own, self.key, since + WINDOW),
        ).fetchone()
        return int(row[0])


@dataclass(frozen=True, slots=True)
class StreamStartTable:
    """The stream starts of one key on one route. Times are Unix seconds."""

    db: sqlite3.Connection
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
            "UPDATE stream_start SET at = ?3 WHERE key_print = ?1 AND route = ?2 AND at > ?3", (*scope, now)
        )
        count = "SELECT count(*) FROM stream_start WHERE key_print = ? AND route = ?"
        return int(self.db.execute(count, scope).fetchone()[0])

    def next_free_at(self) -> datetime | None:
        """Return when the oldest start is a day old (UTC)."""
        oldest = "SELECT min(at) FROM stream_start WHERE key_print = ? AND route = ?"
        (at,) = self.db.execute(oldest, (self.key, self.route)).fetchone()
        return None if at is None else datetime.fromtimestamp(at + DAY, UTC)

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
        self.db.execute(
            "INSERT OR REPLACE INTO stream_limit VALUES (?, ?, ?)", (self.key, self.route, starts)
        )
