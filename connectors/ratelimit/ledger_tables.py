"""The ledger's tables of one key: its limits, and the requests of the last minute.

Every method runs inside of a transaction of the ledger, or is a single statement.
"""

from __future__ import annotations

from calendar import monthrange
from datetime import datetime, timedelta
from typing import Final, NamedTuple, Self

from msgspec import Struct

from common.numbers import parse_moment
from common.state_database import StateConnection

WINDOW: Final = 60.0
# A queued request asks again at least this often (seconds), and leaves the queue after twice that time.
POLL_INTERVAL: Final = 5.0
# The quota of a month resets within this time.
LONGEST_MONTH: Final = timedelta(days=32)
# No request to send nothing is obeyed for longer: the source may be wrong, or one of the two clocks.
LONGEST_HOLD: Final = timedelta(days=1)
# A batch of permits takes so small a part of what is left that no other process misses it.
BATCH_DIVISOR: Final = 64


def add_months(time: datetime, months: int) -> datetime:
    """Return `time` moved by whole months, on the last day of a month that is too short."""
    year, month = divmod(12 * time.year + time.month - 1 + months, 12)
    day = min(time.day, monthrange(year, month + 1)[1])
    return time.replace(year=year, month=month + 1, day=day)


class MonthUsage(NamedTuple):
    """The requests of a month: `used` of `limit` (None: unknown).

    The month is the source's: a calendar month, or a billing period that starts on any day. `resets_at` is
    when the next one starts, `reported_at` when the source last reported (both UTC).
    """

    used: int
    limit: int | None
    resets_at: datetime | None
    reported_at: datetime | None = None

    @classmethod
    def parse(cls, used: int, limit: int | None, *times: str | None) -> Self:
        """Return the month of a row, whose times are ISO 8601."""
        return cls(used, limit, *(None if time is None else datetime.fromisoformat(time) for time in times))

    def as_of(self, at: datetime) -> Self:
        """Return the usage at `at` (UTC): after a reset nothing is used, the next one is a month later.

        A reset that is further ahead than a month lasts is unknown: a wrong clock reported or stored it.
        """
        if self.resets_at is not None and self.resets_at - at > LONGEST_MONTH:
            return self._replace(resets_at=None)
        if self.resets_at is None or at < self.resets_at:
            return self
        months = 12 * (at.year - self.resets_at.year) + at.month - self.resets_at.month
        following = (add_months(self.resets_at, months + more) for more in (0, 1))
        return self._replace(used=0, resets_at=next(reset for reset in following if reset > at))

    @property
    def left(self) -> int | None:
        """The requests left of the month; None where the limit is unknown."""
        return None if self.limit is None else max(self.limit - self.used, 0)


def active_hold(until: str | None, at: datetime) -> datetime | None:
    """Return the end (UTC) of a stored hold, ISO 8601, if the hold is active at `at`.

    A hold that is longer than `LONGEST_HOLD` was stored by a wrong clock, and counts no more.
    """
    end = parse_moment(until or "")
    return end if end is not None and at < end <= at + LONGEST_HOLD else None


class KeyLimits(NamedTuple):
    """The requests that a key may send in a minute and in the month, its last pause, and its hold (UTC)."""

    per_minute: int | None
    paused_at: float
    paused_until: float
    month: MonthUsage
    held_until: datetime | None

    def pause_left(self, now: float) -> float:
        """Return the seconds that the pause still lasts; a pause from before a reboot has ended."""
        return self.paused_until - now if self.paused_at <= now else 0.0

    def shortfall(self, in_use: int, cost: int) -> int:
        """Return what the minute lacks for a request, where others use `in_use`; 0 or less if it fits."""
        return 0 if self.per_minute is None else in_use + min(cost, self.per_minute) - self.per_minute

    def batch_size(self, in_use: int, month_left: int | None, max_permits: int) -> int:
        """Return how many requests may be sent at once: a small part of what minute and month have left."""
        minute_left = None if self.per_minute is None else self.per_minute - in_use
        shares = [left // BATCH_DIVISOR for left in (minute_left, month_left) if left is not None]
        return max(min([max_permits, *shares]), 1)


class KeyTable(Struct, frozen=True):
    """The limits of one key. Times of a pause are monotonic seconds."""

    db: StateConnection
    key: str

    def upsert(self, source: str) -> None:
        """Insert the row of the key, or update its source."""
        self.db.execute(
            "INSERT INTO budget (key_print, source) VALUES (?, ?)"
            " ON CONFLICT (key_print) DO UPDATE SET source = excluded.source",
            (self.key, source),
        )

    def load(self, at: datetime) -> KeyLimits:
        """Return the limits; start a new month if the last one has ended at `at` (UTC)."""
        per_minute, paused_at, paused_until, until, *columns = self.db.execute(
            "SELECT per_minute, held_at, held_until, until, used, per_month, resets_at, told_at"
            " FROM budget LEFT JOIN hold USING (key_print) WHERE key_print = ?",
            (self.key,),
        ).fetchone()
        stored = MonthUsage.parse(*columns)
        month = stored.as_of(at)
        if month != stored:
            self.set_month(month)
        return KeyLimits(per_minute, paused_at, paused_until, month=month, held_until=active_hold(until, at))

    def set_rate(self, per_minute: int) -> None:
        """Set the limit of a minute."""
        self.db.execute("UPDATE budget SET per_minute = ? WHERE key_print = ?", (per_minute, self.key))

    def pause(self, now: float, until: float) -> None:
        """Extend the pause to `until`; a pause that began after `now` is from before a reboot, and ends."""
        self.db.execute(
            "UPDATE budget SET held_at = :now, held_until ="
            " CASE WHEN held_at <= :now AND held_until > :until THEN held_until ELSE :until END"
            " WHERE key_print = :key",
            {"now": now, "until": until, "key": self.key},
        )

    def hold(self, source: str, until: datetime) -> None:
        """Send nothing until `until` (UTC), also after a reboot; the last hold of a key counts."""
        self.db.execute("DELETE FROM hold WHERE key_print = ?", (self.key,))
        self.db.execute("INSERT INTO hold VALUES (?, ?, ?)", (self.key, source, until.isoformat()))

    def add_requests(self, requests: int) -> None:
        """Add requests to the month, or take them off where `requests` is negative."""
        self.db.execute(
            "UPDATE budget SET used = CASE WHEN used + :more > 0 THEN used + :more ELSE 0 END"
            " WHERE key_print = :key",
            {"more": requests, "key": self.key},
        )

    def set_month(self, month: MonthUsage) -> None:
        """Replace the month."""
        times = (time and time.isoformat() for time in (month.resets_at, month.reported_at))
        self.db.execute(
            "UPDATE budget SET used = ?, per_month = ?, resets_at = ?, told_at = ? WHERE key_print = ?",
            (month.used, month.limit, *times, self.key),
        )


INSERT_SLOT: Final = """
INSERT INTO slot (key_print, cost, metered, sent, free_at) VALUES (?, ?, ?, ?, ?) RETURNING ticket
"""
# A ticket whose row expired meanwhile keeps its place.
UPSERT_SLOT: Final = """
INSERT INTO slot (ticket, key_print, cost, metered, sent, free_at) VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (ticket) DO UPDATE SET cost = excluded.cost, metered = excluded.metered, sent = excluded.sent,
    free_at = excluded.free_at
"""


class RequestTable(Struct, frozen=True):
    """The requests of one key that count in the minute. Times are monotonic seconds.

    A row is a queued request, or the admitted requests of one ticket, `metered` of which the month counts.
    """

    db: StateConnection
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
            "SELECT coalesce(sum(cost) FILTER (WHERE sent = 1 OR ticket < :ticket OR :ticket = 0), 0),"
            " coalesce(sum(cost), 0) FROM slot WHERE key_print = :key AND (sent = 1 OR ticket <> :ticket)",
            {"key": self.key, "ticket": ticket},
        ).fetchone()
        return int(before), int(total)

    def wait_time(self, shortfall: int, now: float) -> float:
        """Return the seconds until `shortfall` more cost may be free.

        A request without a response counts for at least a minute more.
        """
        if shortfall <= 0:
            return 0.0
        sent = "SELECT cost, free_at FROM slot WHERE key_print = ? AND sent = 1 ORDER BY free_at"
        for cost, free_at in self.db.execute(sent, (self.key,)):
            shortfall -= cost
            if shortfall <= 0:
                return min(float(free_at) - now, WINDOW)
        return POLL_INTERVAL  # the queued requests before this one need more than all sent ones free

    def upsert(self, ticket: int, cost: int, metered: int, *, sent: bool, free_at: float) -> int:
        """Insert or update the row of a ticket (0: a new one) until `free_at`; return the ticket."""
        values = (self.key, cost, int(metered), int(sent), free_at)
        if ticket:
            self.db.execute(UPSERT_SLOT, (ticket, *values))
            return ticket
        (ticket,) = self.db.execute(INSERT_SLOT, values).fetchone()
        return ticket

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
            "SELECT coalesce(sum(CASE WHEN ticket = ? AND metered > 0 THEN metered - 1 ELSE metered END), 0)"
            " FROM slot WHERE key_print = ? AND sent = 1 AND free_at > ?",
            (own, self.key, since + WINDOW),
        ).fetchone()
        return int(row[0])
