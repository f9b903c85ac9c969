"""The request ledger: what was sent with a key, in the state database, which all processes share."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import datetime
from typing import Final, NamedTuple

from common.errors import OnHold
from common.sqlite_state import memory_state
from common.state_database import LOCK_TIMEOUT, StateDatabase
from common.warehouse_errors import SharedDatabaseUnreachable, WarehouseLocked
from connectors.ratelimit.feed_slot_table import FeedSlotTable
from connectors.ratelimit.ledger_tables import (
    POLL_INTERVAL,
    KeyTable,
    MonthUsage,
    RequestTable,
    active_hold,
)
from connectors.ratelimit.moments import EPOCH, Moment
from connectors.ratelimit.stream_start_table import DAY, StreamStartTable

# For statements that run for every request, or that may be left out: another process's lock must not
# block this process's event loop for long.
SHORT_LOCK_TIMEOUT: Final = 0.1
BUSY: Final = (WarehouseLocked, SharedDatabaseUnreachable)  # what may be over in a moment


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


def read_usage(state: StateDatabase, source: str) -> MonthUsage | None:
    """Return the last known month of a source's key; None where the source never reported one.

    Raises WarehouseError.
    """
    if not state.exists():
        return None
    with state.read("budget") as db:
        row = db.execute(
            "SELECT used, per_month, resets_at, told_at FROM budget WHERE source = ? AND told_at IS NOT NULL"
            " ORDER BY told_at DESC LIMIT 1",
            (source,),
        ).fetchone()
        return None if row is None else MonthUsage.parse(*row)


def read_hold(state: StateDatabase, source: str, at: datetime) -> datetime | None:
    """Return until when (UTC) a source asked to send nothing, if that is later than `at`.

    Both are times of this machine. Raises WarehouseError.
    """
    return _read_hold(state, "SELECT until FROM hold WHERE source = ?", source, at=at)


def read_key_hold(state: StateDatabase, key_print: str, at: datetime) -> datetime | None:
    """Return until when (UTC) a source asked to send nothing with a key, as `read_hold` does.

    `key_print` is the fingerprint of the key.
    """
    return _read_hold(state, "SELECT until FROM hold WHERE key_print = ?", key_print, at=at)


def _read_hold(state: StateDatabase, query: str, name: str, *, at: datetime) -> datetime | None:
    if not state.exists():
        return None
    with state.read("hold") as db:
        rows, now = db.execute(query, (name,)).fetchall(), state.now(db, at)
    until = max(filter(None, (active_hold(until, now) for (until,) in rows)), default=None)
    return until and at + (until - now)


def on_hold(source: str, until: datetime, at: datetime) -> OnHold:
    """Return the error of a request at `at` that is not sent, because of a hold `until` (both UTC)."""
    detail = f"the source asked to send nothing until {until:%Y-%m-%d %H:%M} UTC, and nothing was sent"
    return OnHold(detail, source, retry_after=(until - at).total_seconds())


class RequestLedger:
    """The counts of one key, named by its fingerprint; every method is one transaction.

    `now` and other times in seconds are monotonic ones, which all processes of a machine share and which
    start anew with the machine; `at` is UTC. A database of several machines has a clock of its own, of which
    the ledger takes all times that it stores. The counts of requests do not wait for the disk: after a power
    cut the newest may be lost, and the source reports them again. Without a `state`, the counts are in the
    memory of this process. Raises WarehouseError.
    """

    def __init__(self, state: StateDatabase | None = None, key_print: str = "", source: str = "") -> None:
        self._key = key_print
        self._source = source
        self._locked_since: float | None = None
        self._reboot_checked = False
        self._session = (state or memory_state()).open_session()
        self._limits = KeyTable(self._session.db, key_print)
        self._requests = RequestTable(self._session.db, key_print)
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
            with self._session.transaction(SHORT_LOCK_TIMEOUT, self._key) as seconds:
                moment = Moment.of(seconds, now, at)
                admission = self._admit(ticket, cost, max_permits, metered=metered, lease=lease, on=moment)
        except BUSY:
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
        on: Moment,
    ) -> Admission:
        now, at, _ = on
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

    def settle(self, ticket: int, free_at: float, *, now: float) -> None:
        """Let the requests of a ticket count until `free_at`; where others lock it, they do for the lease."""
        with contextlib.suppress(*BUSY), self._session.statement(SHORT_LOCK_TIMEOUT) as seconds:
            self._requests.settle(ticket, free_at + (0.0 if seconds is None else seconds - now))

    def release(self, ticket: int, cost: int) -> None:
        """Remove requests that were not sent, admitted or queued; `cost` is what they cost in total."""
        with contextlib.suppress(*BUSY), self._session.transaction(SHORT_LOCK_TIMEOUT, self._key):
            self._limits.add_requests(-self._requests.remove(ticket, cost))

    def set_rate(self, per_minute: int) -> None:
        """Set the limit of a minute."""
        with self._transaction():
            self._limits.set_rate(per_minute)

    def pause(self, now: float, until: float) -> None:
        """Admit no request before `until`."""
        with self._transaction(now) as moment:
            self._limits.pause(moment.now, until + moment.shift)

    def hold(self, until: datetime, *, at: datetime) -> None:
        """Admit no request before `until` (UTC), in no process and in no later run."""
        with self._transaction(at=at) as moment:
            self._limits.hold(self._source, until + (moment.at - at))

    def sync_month(self, report: MonthReport, *, now: float, at: datetime) -> None:
        """Correct the month by the source's report.

        The source has counted what was answered before the report's `since`, and its `own` ticket; it may or
        may not have counted other requests. The ledger's count stays where it can be right; otherwise the
        highest count that can be right replaces it.
        """
        with self._transaction(now, at) as moment:
            month = self._limits.load(moment.at).month
            count, reported = month.used, report.used
            if reported is not None:
                highest = reported + self._requests.count_unsettled(report.since + moment.shift, report.own)
                if not reported <= count <= highest:
                    count = min(highest, max(reported, report.limit))
            resets_at = report.resets_at or month.resets_at
            self._limits.set_month(MonthUsage(count, report.limit, resets_at, reported_at=moment.at))

    def month(self, at: datetime) -> MonthUsage:
        """Return the requests of the month."""
        with self._transaction(at=at) as moment:
            return self._limits.load(moment.at).month

    def start_stream(self, route: str, at: datetime) -> tuple[bool, datetime | None]:
        """Count a stream start, unless the starts of 24 hours are used up.

        Returns whether the start was counted, and if not, when the next one is possible.
        """
        with self._transaction(at=at) as moment:
            starts, now = self._stream_starts(route), moment.at.timestamp()
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
        with self._transaction(at=at) as moment:
            starts, now = self._stream_starts(route), moment.at.timestamp()
            starts.set_limit(limit)
            if used is not None:
                unknown = used - starts.count(now)
                starts.add(resets_at.timestamp() - DAY if resets_at else now, unknown)
                starts.drop(-unknown)

    def streams(self, route: str, at: datetime) -> tuple[int, int | None]:
        """Return the stream starts of the last 24 hours, and their limit if known."""
        with self._transaction(at=at) as moment:
            starts = self._stream_starts(route)
            return starts.count(moment.at.timestamp()), starts.limit()

    def claim_feed(self, holder: str, at: datetime) -> bool:
        """Take or renew a connection to a feed for `holder`; return whether the key had one left."""
        with self._transaction(at=at) as moment:
            return self._feed_slots.claim(holder, moment.at.timestamp())

    def release_feed(self, holder: str) -> None:
        """Give the connection of `holder` to a feed back."""
        with self._transaction():
            self._feed_slots.release(holder)

    def close(self) -> None:
        """Close the database."""
        self._session.close()

    @property
    def _feed_slots(self) -> FeedSlotTable:
        return FeedSlotTable(self._session.db, self._key)

    def _stream_starts(self, route: str) -> StreamStartTable:
        return StreamStartTable(self._session.db, self._key, route)

    @contextlib.contextmanager
    def _transaction(self, now: float = 0.0, at: datetime = EPOCH) -> Iterator[Moment]:
        with self._session.transaction(LOCK_TIMEOUT, self._key, durable=True) as seconds:
            yield Moment.of(seconds, now, at)
