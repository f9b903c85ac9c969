"""The request ledger: what was sent with a key, in `state.db`, which all processes of the machine share."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Final, NamedTuple

from common.errors import OnHold
from common.sqlite import LOCK_TIMEOUT, open_state_db, read_state_db, translate_sqlite_errors
from common.warehouse_errors import WarehouseLocked
from connectors.ratelimit.ledger_tables import (
    POLL_INTERVAL,
    KeyTable,
    MonthUsage,
    RequestTable,
    active_hold,
)
from connectors.ratelimit.stream_start_table import DAY, StreamStartTable

# SQLite's name for a database of this process only.
IN_MEMORY: Final = Path(":memory:")
# For statements that run for every request, or that may be left out: another process's lock must not
# block this process's event loop for long.
SHORT_LOCK_TIMEOUT: Final = 0.1


class Admission(NamedTuple):
    """The ledger's decision on a request.

    `ticket` is the place of the request in the ledger. `wait` is 0 where `permits` requests may be sent now,
    the seconds after which to ask again, or None where the month is used up.
    """

    ticket: int
    wait: float | None
    permits: int


class MonthReport(NamedTuple):
    """The source's report of the month to the request of ticket `own`, which was sent at `since`.

    `used` is None where only the limit was reported.
    """

    used: int | None
    limit: int
    since: float
    own: int = 0
    resets_at: datetime | None = None


def read_usage(state: Path, source: str) -> MonthUsage | None:
    """Return the last known month of a source's key; None where the source never reported one.

    `state` is the path of `state.db`. Raises WarehouseLocked and WarehouseUnusable.
    """
    if not state.exists():
        return None
    with read_state_db(state, "budget") as db:
        row = db.execute(
            "SELECT used, per_month, resets_at, told_at FROM budget WHERE source = ? AND told_at IS NOT NULL"
            " ORDER BY told_at DESC LIMIT 1",
            (source,),
        ).fetchone()
        return None if row is None else MonthUsage.parse(*row)


def read_hold(state: Path, source: str, at: datetime) -> datetime | None:
    """Return until when (UTC) a source asked to send nothing, if that is later than `at`.

    `state` is the path of `state.db`. Raises WarehouseLocked and WarehouseUnusable.
    """
    if not state.exists():
        return None
    with read_state_db(state, "hold") as db:
        rows = db.execute("SELECT until FROM hold WHERE source = ?", (source,)).fetchall()
    return max(filter(None, (active_hold(until, at) for (until,) in rows)), default=None)


def read_key_hold(state: Path, key_print: str, at: datetime) -> datetime | None:
    """Return until when (UTC) a source asked to send nothing with a key, as `read_hold` does.

    `key_print` is the fingerprint of the key.
    """
    if not state.exists():
        return None
    with read_state_db(state, "hold") as db:
        row = db.execute("SELECT until FROM hold WHERE key_print = ?", (key_print,)).fetchone()
    return None if row is None else active_hold(row[0], at)


def on_hold(source: str, until: datetime, at: datetime) -> OnHold:
    """Return the error of a request at `at` that is not sent, because of a hold `until` (both UTC)."""
    detail = f"the source asked to send nothing until {until:%Y-%m-%d %H:%M} UTC, and nothing was sent"
    return OnHold(detail, source, retry_after=(until - at).total_seconds())


class RequestLedger:
    """The counts of one key, named by its fingerprint; every method is one transaction.

    `now` is in monotonic seconds, which all processes of a machine share and which start anew with the
    machine. `at` is UTC. Writes do not wait for the disk: after a power cut the newest counts may be lost,
    and the source reports them again. Raises WarehouseLocked, WarehouseFull and WarehouseUnusable.
    """

    def __init__(self, path: Path = IN_MEMORY, key_print: str = "", source: str = "") -> None:
        self._path = path
        self._key = key_print
        self._source = source
        self._locked_since: float | None = None
        self._lock_timeout = LOCK_TIMEOUT
        self._reboot_checked = False
        self._db = open_state_db(path)
        self._db.execute("PRAGMA synchronous = NORMAL")
        self._limits = KeyTable(self._db, key_print)
        self._requests = RequestTable(self._db, key_print)
        with self._transaction():
            self._limits.upsert(source)

    def acquire(
        self,
        ticket: int,
        cost: int,
        *,
        metered: bool,
        lease: float,
        now: float,
        at: datetime,
        max_permits: int = 1,
    ) -> Admission:
        """Admit a request, or put it in the queue; `ticket` is its place from an earlier call, 0 at first.

        Where much of the minute and of the month is left, up to `max_permits` requests of cost 1 are admitted
        on the same ticket: one for every `BATCH_DIVISOR` that are left. An admitted ticket counts for `lease`
        seconds, unless `settle` says otherwise. A queued request is admitted as soon as there is room for it
        and for every request before it. Raises OnHold during a hold.
        """
        try:
            with self._transaction(SHORT_LOCK_TIMEOUT):
                admission = self._admit(
                    ticket, cost, max_permits, metered=metered, lease=lease, now=now, at=at
                )
        except WarehouseLocked:
            self._locked_since = now if self._locked_since is None else self._locked_since
            if now - self._locked_since >= LOCK_TIMEOUT:
                raise
            return Admission(ticket, SHORT_LOCK_TIMEOUT, 0)
        self._locked_since = None
        return admission

    def _admit(
        self,
        ticket: int,
        cost: int,
        max_permits: int,
        *,
        metered: bool,
        lease: float,
        now: float,
        at: datetime,
    ) -> Admission:
        self._remove_expired(now, lease)
        limits = self._limits.load(at)
        if limits.held_until is not None:
            raise on_hold(self._source, limits.held_until, at)
        month_left = limits.month.left if metered else None
        if month_left == 0:
            return Admission(ticket, None, 0)
        before, in_use = (0, 0) if limits.per_minute is None else self._requests.count_in_use(ticket)
        room_in = self._requests.wait_time(limits.shortfall(before, cost), now)
        wait = min(max(limits.pause_left(now), room_in), POLL_INTERVAL)
        if wait > 0:
            # A process that dies while it waits asks no more, and leaves the queue.
            leaves_queue_at = now + wait + POLL_INTERVAL
            ticket = self._requests.upsert(ticket, cost, metered, sent=False, free_at=leaves_queue_at)
            return Admission(ticket, wait, 0)
        permits = limits.batch_size(in_use, month_left, max_permits)
        if metered:
            self._limits.add_requests(permits)
        ticket = self._requests.upsert(
            ticket, permits * cost, permits * metered, sent=True, free_at=now + lease
        )
        return Admission(ticket, 0.0, permits)

    def _remove_expired(self, now: float, lease: float) -> None:
        if not self._reboot_checked:
            self._requests.rebase_after_reboot(now, lease)
            self._reboot_checked = True
        self._requests.delete_expired(now)

    def settle(self, ticket: int, free_at: float) -> None:
        """Let the requests of a ticket count until `free_at`; with a locked file they count for the lease."""
        with contextlib.suppress(WarehouseLocked), self._statement(SHORT_LOCK_TIMEOUT):
            self._requests.settle(ticket, free_at)

    def release(self, ticket: int, cost: int) -> None:
        """Remove requests that were not sent, admitted or queued; `cost` is what they cost in total."""
        with contextlib.suppress(WarehouseLocked), self._transaction(SHORT_LOCK_TIMEOUT):
            self._limits.add_requests(-self._requests.remove(ticket, cost))

    def set_rate(self, per_minute: int) -> None:
        """Set the limit of a minute."""
        with self._statement():
            self._limits.set_rate(per_minute)

    def pause(self, now: float, until: float) -> None:
        """Admit no request before `until`."""
        with self._statement():
            self._limits.pause(now, until)

    def hold(self, until: datetime) -> None:
        """Admit no request before `until` (UTC), in no process and in no later run."""
        with self._statement():
            self._limits.hold(self._source, until)

    def sync_month(self, report: MonthReport, at: datetime) -> None:
        """Correct the month by the source's report.

        The source has counted what was answered before the report's `since`, and its `own` ticket; it may or
        may not have counted other requests. The ledger's count stays where it can be right; otherwise the
        highest count that can be right replaces it.
        """
        with self._transaction():
            month = self._limits.load(at).month
            count, reported = month.used, report.used
            if reported is not None:
                highest = reported + self._requests.count_unsettled(report.since, report.own)
                if not reported <= count <= highest:
                    count = min(highest, max(reported, report.limit))
            resets_at = report.resets_at or month.resets_at
            self._limits.set_month(MonthUsage(count, report.limit, resets_at, reported_at=at))

    def month(self, at: datetime) -> MonthUsage:
        """Return the requests of the month."""
        with self._transaction():
            return self._limits.load(at).month

    def start_stream(self, route: str, at: datetime) -> tuple[bool, datetime | None]:
        """Count a stream start, unless the starts of 24 hours are used up.

        Returns whether the start was counted, and if not, when the next one is possible.
        """
        with self._transaction():
            starts, now = self._stream_starts(route), at.timestamp()
            limit = starts.limit()
            if limit is not None and starts.count(now) >= limit:
                return False, starts.next_free_at()
            starts.add(now)
            return True, None

    def release_stream_start(self, route: str) -> None:
        """Remove the newest start."""
        with self._transaction():
            self._stream_starts(route).drop(1, newest=True)

    def sync_streams(
        self, route: str, used: int | None, limit: int, *, resets_at: datetime | None, at: datetime
    ) -> None:
        """Correct the starts by the source's report; `resets_at` is when the oldest one is a day old."""
        with self._transaction():
            starts, now = self._stream_starts(route), at.timestamp()
            starts.set_limit(limit)
            if used is not None:
                unknown = used - starts.count(now)
                starts.add(resets_at.timestamp() - DAY if resets_at else now, unknown)
                starts.drop(-unknown)

    def streams(self, route: str, at: datetime) -> tuple[int, int | None]:
        """Return the stream starts of the last 24 hours, and their limit if known."""
        with self._transaction():
            starts = self._stream_starts(route)
            return starts.count(at.timestamp()), starts.limit()

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def _stream_starts(self, route: str) -> StreamStartTable:
        return StreamStartTable(self._db, self._key, route)

    @contextlib.contextmanager
    def _transaction(self, lock_timeout: float = LOCK_TIMEOUT) -> Iterator[None]:
        with self._statement(lock_timeout), self._db:
            # SQLite does not wait for a lock that a transaction needs only after its first read.
            self._db.execute("BEGIN IMMEDIATE")
            yield

    @contextlib.contextmanager
    def _statement(self, lock_timeout: float = LOCK_TIMEOUT) -> Iterator[None]:
        """Set the time to wait for the file's lock. A single statement is a transaction of its own."""
        with translate_sqlite_errors(self._path):
            if lock_timeout != self._lock_timeout:
                self._db.execute(f"PRAGMA busy_timeout = {1000 * lock_timeout:.0f}")
                self._lock_timeout = lock_timeout
            yield
