"""What was sent with a key, in `state.db`: the one budget of all processes of this machine that use it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Final

from common.errors import WarehouseLocked
from common.sqlite import LOCK_TIMEOUT, open_state_db, state_transaction, translate_sqlite_errors
from connectors.ratelimit.ledger_tables import ASK_AGAIN, BATCH_DIVISOR, DAY, RequestTable, StreamStartTable

ROW: Final = """
SELECT per_minute, held_at, held_until, used, per_month, resets_at FROM budget WHERE key_print = ?
"""
ADD_REQUESTS: Final = "UPDATE budget SET used = max(used + ?, 0) WHERE key_print = ?"
NEW_MONTH: Final = "UPDATE budget SET used = 0, resets_at = NULL WHERE key_print = ?"
SYNC_MONTH: Final = (
    "UPDATE budget SET used = ?, per_month = ?, resets_at = ?, told_at = ? WHERE key_print = ?"
)
PAUSE: Final = """
UPDATE budget SET held_at = ?1, held_until = max(?2, iif(held_at <= ?1, held_until, 0.0)) WHERE key_print = ?3
"""
# What is asked for every request, or need not be written, does not keep the others waiting for a lock.
SHORT_LOCK_TIMEOUT: Final = 0.1


@dataclass(frozen=True, slots=True)
class StoredUsage:
    """What of a month is used, of how much, when it starts anew, and when the source last told (all UTC)."""

    used: int
    limit: int | None
    resets_at: datetime | None
    told_at: datetime | None


def read_usage(state: Path, source: str) -> StoredUsage | None:
    """The month of a source's key, as it was last known; None where nothing is known.

    `state` is the path of `state.db`. Raises WarehouseLocked and WarehouseUnfit.
    """
    if not state.exists():
        return None
    with state_transaction(state) as db:
        row = db.execute(
            "SELECT used, per_month, resets_at, told_at FROM budget WHERE source = ? AND told_at IS NOT NULL"
            " ORDER BY told_at DESC LIMIT 1",
            (source,),
        ).fetchone()
    return StoredUsage(row[0], row[1], _moment(row[2]), _moment(row[3])) if row else None


@dataclass(frozen=True, slots=True)
class _KeyRow:
    """What is written of a key, but for its requests and stream starts."""

    per_minute: int | None
    held_at: float
    held_until: float
    used: int
    limit: int | None
    reset: str | None

    @property
    def resets_at(self) -> datetime | None:
        return _moment(self.reset)

    @property
    def left(self) -> int | None:
        return None if self.limit is None else max(self.limit - self.used, 0)

    def paused_until(self, now: float) -> float:
        """Until when all are held: what a machine said that has started anew since holds nobody."""
        return self.held_until if self.held_at <= now else now

    def shortfall(self, taken: int, cost: int) -> int:
        """How much the minute lacks for a request, where others take so much; 0 or less where it fits."""
        return 0 if self.per_minute is None else taken + min(cost, self.per_minute) - self.per_minute

    def batch_size(self, taken: int, most: int, *, metered: bool) -> int:
        """How many requests may go at once, of those that the minute and the month have room for."""
        minute = None if self.per_minute is None else self.per_minute - taken
        month = self.left if metered else None
        return max(min([most, *(room // BATCH_DIVISOR for room in (minute, month) if room is not None)]), 1)


class RequestLedger:
    """The counts of one key, named by its fingerprint; every call is one transaction.

    `now` is monotonic seconds: all processes of a machine share them, and setting the clock does not disturb
    them; they start anew with the machine. `at` is aware, in UTC. Nothing waits for the disk: after a power
    cut the newest counts may be gone, and the source tells them again. Raises WarehouseLocked, WarehouseFull
    and WarehouseUnfit.
    """

    def __init__(self, path: Path, key_print: str, source: str) -> None:
        self._path = path
        self._key = key_print
        self._locked_since: float | None = None
        self._patience = LOCK_TIMEOUT
        self._restarted = False
        self._db = open_state_db(path)
        self._db.execute("PRAGMA synchronous = NORMAL")
        self._slots = RequestTable(self._db, key_print)
        with self._transaction():
            self._db.execute(
                "INSERT INTO budget (key_print, source) VALUES (?, ?)"
                " ON CONFLICT DO UPDATE SET source = excluded.source",
                (key_print, source),
            )

    def acquire(
        self, ticket: int, cost: int, *, metered: bool, lease: float, now: float, at: datetime, most: int = 1
    ) -> tuple[int, float | None, int]:
        """Let a request go, or put it in line; `ticket` is its place from an earlier asking, 0 at first.

        Where there is plenty of room, up to `most` requests like it (more than one only of cost 1) may go on
        the same ticket: one for every `SHARE` that the minute and the month still have room for.

        Returns the ticket, the seconds after which to ask again, and how many may be sent now: 0 seconds
        where some may, None where the month is used up. What was let go counts until `lease` from now, if
        nobody says `answered`; who stands in line goes as soon as there is room for it and for all
        who came before.
        """
        try:
            with self._transaction(SHORT_LOCK_TIMEOUT):
                answer = self._decide(ticket, cost, most, metered=metered, lease=lease, now=now, at=at)
        except WarehouseLocked:
            self._locked_since = now if self._locked_since is None else self._locked_since
            if now - self._locked_since >= LOCK_TIMEOUT:
                raise
            return ticket, SHORT_LOCK_TIMEOUT, 0
        self._locked_since = None
        return answer

    def _decide(
        self, ticket: int, cost: int, most: int, *, metered: bool, lease: float, now: float, at: datetime
    ) -> tuple[int, float | None, int]:
        self._tidy(now, lease)
        row = self._row(at)
        if metered and row.left == 0:
            return ticket, None, 0
        taken, everybody = (0, 0) if row.per_minute is None else self._slots.count_in_use(ticket)
        wait = min(
            max(row.paused_until(now) - now, self._slots.wait_time(row.shortfall(taken, cost), now)),
            ASK_AGAIN,
        )
        if wait > 0:
            free_at = now + wait + ASK_AGAIN
            return self._slots.upsert(ticket, cost, metered, sent=False, free_at=free_at), wait, 0
        many = row.batch_size(everybody, most, metered=metered)
        if metered:
            self._count(many)
        put = self._slots.upsert(ticket, many * cost, many * metered, sent=True, free_at=now + lease)
        return put, 0.0, many

    def _tidy(self, now: float, lease: float) -> None:
        if not self._restarted:
            self._slots.rebase_after_reboot(now, lease)
            self._restarted = True
        self._slots.delete_expired(now)

    def settle(self, ticket: int, free_at: float) -> None:
        """Have what was let go on a ticket count until `free_at`."""
        with (
            contextlib.suppress(WarehouseLocked),
            self._patient(SHORT_LOCK_TIMEOUT),
        ):  # else it counts for its lease
            self._slots.settle(ticket, free_at)

    def release(self, ticket: int, cost: int) -> None:
        """Forget what was not sent, whether it was let go or stands in line; `cost` is what it all costs."""
        with contextlib.suppress(WarehouseLocked), self._transaction(SHORT_LOCK_TIMEOUT):
            self._count(-self._slots.remove(ticket, cost))

    def set_rate(self, per_minute: int) -> None:
        """Set what a minute allows."""
        with self._patient():
            self._db.execute("UPDATE budget SET per_minute = ? WHERE key_print = ?", (per_minute, self._key))

    def pause(self, now: float, until: float) -> None:
        """Let nothing go before `until`."""
        with self._patient():
            self._db.execute(PAUSE, (now, until, self._key))

    def sync_month(
        self,
        used: int | None,
        limit: int,
        *,
        since: float,
        own: int,
        resets_at: datetime | None,
        at: datetime,
    ) -> None:
        """Correct the month by what the source said.

        Our own count stands where it can be right: the source has counted what was answered before `since`,
        and may not have counted the others yet, but for the ticket `own`. Else the highest count that can be
        right takes its place.
        """
        with self._transaction():
            row = self._row(at)
            ours, resets = row.used, resets_at or row.resets_at
            if used is not None:
                most = used + self._slots.count_unsettled(since, own)
                ours = ours if used <= ours <= most else min(most, max(used, limit))
            told = (ours, limit, resets and resets.isoformat(), at.isoformat(), self._key)
            self._db.execute(SYNC_MONTH, told)

    def month(self, at: datetime) -> tuple[int, int | None, datetime | None]:
        """What of the month is used, its limit, and when it starts anew."""
        with self._transaction():
            row = self._row(at)
        return row.used, row.limit, row.resets_at

    def _row(self, at: datetime) -> _KeyRow:
        row = _KeyRow(*self._db.execute(ROW, (self._key,)).fetchone())
        if row.resets_at is not None and at >= row.resets_at:
            self._db.execute(NEW_MONTH, (self._key,))
            return replace(row, used=0, reset=None)
        return row

    def _count(self, requests: int) -> None:
        self._db.execute(ADD_REQUESTS, (requests, self._key))

    def start_stream(self, route: str, at: datetime) -> tuple[bool, datetime | None]:
        """Count a start, unless they are used up; whether it was, and else when the oldest is a day old."""
        with self._transaction():
            known, now = self._starts(route), at.timestamp()
            limit = known.limit()
            if limit is not None and known.count(now) >= limit:
                return False, known.next_free_at()
            known.add(now)
            return True, None

    def release_stream_start(self, route: str) -> None:
        """Forget the newest start."""
        with self._transaction():
            self._starts(route).drop(1, newest=True)

    def sync_streams(
        self, route: str, used: int | None, limit: int, *, resets_at: datetime | None, at: datetime
    ) -> None:
        """Correct the starts by what the source said; `resets_at` is when the oldest is a day old."""
        with self._transaction():
            known, now = self._starts(route), at.timestamp()
            known.set_limit(limit)
            if used is not None:
                unseen = used - known.count(now)
                known.add(resets_at.timestamp() - DAY if resets_at else now, unseen)
                known.drop(-unseen)

    def streams(self, route: str, at: datetime) -> tuple[int, int | None]:
        """The starts of the last 24 hours, and how many there may be, if known."""
        with self._transaction():
            known = self._starts(route)
            return known.count(at.timestamp()), known.limit()

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()

    def _starts(self, route: str) -> StreamStartTable:
        return StreamStartTable(self._db, self._key, route)

    @contextlib.contextmanager
    def _transaction(self, patience: float = LOCK_TIMEOUT) -> Iterator[None]:
        with self._patient(patience), self._db:
            self._db.execute("BEGIN IMMEDIATE")
            yield

    @contextlib.contextmanager
    def _patient(self, patience: float = LOCK_TIMEOUT) -> Iterator[None]:
        """Wait so long for the file's lock; a single statement is a transaction."""
        with translate_sqlite_errors(self._path):
            if patience != self._patience:
                self._db.execute(f"PRAGMA busy_timeout = {1000 * patience:.0f}")
                self._patience = patience
            yield


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text is not None else None
