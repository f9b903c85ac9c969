"""The rate limiter of one key: requests per minute, requests per month and stream starts per day."""

# No rate-limit library fits. pyrate-limiter (with its SQLite bucket), limits and aiolimiter count a request
# when it is admitted, but the source counts it when it arrives: a slow request, and a fast one that was
# admitted a minute later, may arrive in the same minute. None of them lets waiting processes take turns, and
# limits and aiolimiter share nothing between processes without a server.

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from common.clock import Clock
from common.errors import QuotaExhausted, StreamsExhausted
from connectors.ratelimit.admission import MAX_BATCH, AdmissionQueue, Permit
from connectors.ratelimit.feed_slot_table import LIFETIME
from connectors.ratelimit.ledger import BUSY, MonthReport, RequestLedger
from connectors.ratelimit.ledger_tables import BATCH_DIVISOR, LONGEST_HOLD, WINDOW, MonthUsage

# The longest wait inside of a run; a longer Retry-After is kept for the runs after it.
MAX_PAUSE: Final = 120.0
# The largest reports that are believed: each stream start is a row, and SQLite's integers have 64 bits.
MAX_STREAM_STARTS: Final = 10_000
MAX_REPORTED: Final = 10**12
# Every response reports the month. While plenty of it is left, a report is stored this often (seconds).
SYNC_INTERVAL: Final = 0.25
# How often a process asks for a connection to a feed (seconds) while others hold all that the key may have.
FEED_POLL: Final = 2.0
PLENTY: Final = BATCH_DIVISOR * MAX_BATCH


class QuotaHeaders(NamedTuple):
    """The quota in the headers of a response: its limit, what is left, and when it resets (UTC)."""

    limit: int | None
    remaining: int | None
    resets_at: datetime | None


class RateLimiter:
    """The limits of one key on `clock`, kept in `ledger`; without one in the memory of this process.

    At most `per_minute` requests (None: no limit, until `set_rate` sets one) arrive at the source in any
    minute: a request counts from before it is sent until 60 s after its response arrived, however long either
    takes. The unfinished requests of a process that dies count for `deadline` seconds more. `source` is named
    in errors.
    """

    def __init__(
        self,
        per_minute: int | None,
        clock: Clock,
        ledger: RequestLedger | None = None,
        *,
        source: str = "",
        deadline: float = 30.0,
    ) -> None:
        self._clock = clock
        self._ledger = ledger or RequestLedger()
        self._source = source
        self._queue = AdmissionQueue(self._ledger, clock, source, lease=deadline + WINDOW)
        self._stream_routes: set[str] = set()
        self._report: MonthReport | None = None
        self._limit: int | None = None
        self._next_store = self._next_load = float("-inf")
        self.per_minute: int | None = None  # as this process knows it
        self.held_until: datetime | None = None  # the end (UTC) of a hold that began here
        self.set_rate(per_minute)

    def set_rate(self, per_minute: int | None) -> None:
        """Set the limit of a minute, from now on; the requests of the last minute count."""
        if per_minute is not None:
            self.per_minute = min(per_minute, MAX_REPORTED)
            self._ledger.set_rate(self.per_minute)

    def set_budget(self, requests: int) -> None:
        """Allow `requests` more metered requests of this process; the next one raises BudgetSpent."""
        self._queue.set_budget(requests)

    def pause(self, seconds: float) -> datetime | None:
        """Send nothing for `seconds`, in all processes; return None where requests wait for the end.

        A wait of more than `MAX_PAUSE` is a hold: requests fail until the returned time (UTC), also those of
        later runs. It lasts `LONGEST_HOLD` at the most.
        """
        self._queue.release_unused()  # granted permits would be used in spite of the pause
        if seconds <= MAX_PAUSE:
            now = self._clock.monotonic()
            self._ledger.pause(now, now + seconds)
            return None
        at = self._clock.now()
        self.held_until = at + min(timedelta(seconds=seconds), LONGEST_HOLD)
        self._ledger.hold(self.held_until, at=at)
        return self.held_until

    def acquire(self, cost: int = 1, *, metered: bool = True) -> AbstractAsyncContextManager[Permit]:
        """Wait for the permit to send one request, and hold it until the response has arrived.

        `cost` is what the request takes of the minute; a `metered` request counts in the month. Raises
        QuotaExhausted where the month is used up, BudgetSpent where the budget is, and OnHold during a hold.
        """
        return self._queue.acquire(cost, metered=metered)

    def month_usage(self) -> MonthUsage:
        """Return the requests of the month."""
        return self._ledger.month(self._clock.now())

    def sync_point(self) -> float:
        """Return the time to pass to `sync_month` as `since`; call it before the request for the account."""
        return self._clock.monotonic()

    def sync_month(self, used: int | None, limit: int | None, *, since: float) -> None:
        """Correct the month by the account, which was requested at `since`."""
        if limit is not None:
            used = None if used is None else min(used, MAX_REPORTED)
            self._apply_report(MonthReport(used, min(limit, MAX_REPORTED), since))

    def observe_headers(
        self, route: str, permit: Permit, quota: QuotaHeaders, *, error: Exception | None = None
    ) -> None:
        """Correct the counts by the headers of a response that means `error`.

        The quota of a stream is its starts, also in a refusal for that reason. Any other quota is the month's
        only where its limit is the month's: after a burst the headers describe the minute.
        """
        limit, remaining, resets_at = quota
        if limit is None or remaining is None or remaining > limit:
            return
        if route in self._stream_routes and (error is None or isinstance(error, StreamsExhausted)):
            if limit <= MAX_STREAM_STARTS:
                self._sync_streams(route, limit - remaining, limit, resets_at=resets_at)
        elif limit == self._month_limit():
            self._report = MonthReport(
                limit - remaining, limit, permit.sent_at, own=permit.ticket, resets_at=resets_at
            )
            # Store at once near the end of the month, and where no other report may follow soon.
            alone = self._queue.in_flight <= 1
            if alone or remaining < PLENTY or self._clock.monotonic() >= self._next_store:
                self._store_report()

    def claim_stream_start(self, route: str) -> None:
        """Count a stream start on `route` ("POST /v1/prices") before it is sent.

        Raises StreamsExhausted, with the time of the next start, where the starts of 24 hours are used up.
        """
        self._stream_routes.add(route)
        started, free_at = self._ledger.start_stream(route, self._clock.now())
        if not started:
            detail = f"the stream starts of {route} in 24 hours are used up"
            raise StreamsExhausted(detail, self._source, resets_at=free_at)

    def observe_error(self, route: str, error: Exception) -> None:
        """Correct the counts by a refusal: an exhausted quota is used up, whatever the headers say.

        The source counts successful stream starts only, so a refused start is released.
        """
        if isinstance(error, StreamsExhausted):
            _, limit = self.stream_usage(route)
            if limit is not None:
                self._sync_streams(route, limit, limit, resets_at=error.resets_at)
            return
        if isinstance(error, QuotaExhausted):
            limit = self.month_usage().limit
            if limit is not None:
                since = self.sync_point()
                self._apply_report(MonthReport(limit, limit, since, resets_at=error.resets_at))
        if route in self._stream_routes:
            self._ledger.release_stream_start(route)

    def set_stream_limit(self, route: str, limit: int) -> None:
        """Set how many streams may start on `route` in 24 hours."""
        self._sync_streams(route, None, limit)

    def stream_usage(self, route: str) -> tuple[int, int | None]:
        """Return the stream starts of the last 24 hours on `route`, and their limit if known."""
        return self._ledger.streams(route, self._clock.now())

    @asynccontextmanager
    async def feed_connection(self) -> AsyncIterator[None]:
        """Wait for one of the connections to feeds that the key may have, and hold it.

        All processes that share the ledger count. A process that dies holds its connection for half a minute.
        """
        holder = secrets.token_hex(8)
        while not self._ledger.claim_feed(holder, self._clock.now()):
            await self._clock.sleep(FEED_POLL)
        renewing = asyncio.create_task(self._renew_feed(holder))
        try:
            yield
        finally:
            renewing.cancel()
            await asyncio.gather(renewing, return_exceptions=True)
            self._ledger.release_feed(holder)

    async def _renew_feed(self, holder: str) -> None:
        while True:
            await self._clock.sleep(LIFETIME / 3)
            with suppress(*BUSY):  # the next renewal comes in time
                self._ledger.claim_feed(holder, self._clock.now())

    def close(self) -> None:
        """Return the unused permits, store the last report and close the ledger."""
        try:
            self._queue.release_unused()
            self._store_report()
        finally:
            self._ledger.close()

    def _sync_streams(
        self, route: str, used: int | None, limit: int, *, resets_at: datetime | None = None
    ) -> None:
        self._ledger.sync_streams(route, used, limit, resets_at=resets_at, at=self._clock.now())

    def _month_limit(self) -> int | None:
        """Return the month's limit, at most SYNC_INTERVAL old: other processes may correct it."""
        now = self._clock.monotonic()
        if now >= self._next_load:
            self._limit, self._next_load = self.month_usage().limit, now + SYNC_INTERVAL
        return self._limit

    def _store_report(self) -> None:
        """Store the last report, unless it is too old.

        After a minute the ledger forgets requests that the source may not have counted in the report.
        """
        report = self._report
        if report is not None and self._clock.monotonic() < report.since + WINDOW:
            self._apply_report(report)

    def _apply_report(self, report: MonthReport) -> None:
        if report.used is None or report.limit - report.used < PLENTY:
            self._queue.release_unused()  # other processes may need these permits
        self._ledger.sync_month(report, now=self._clock.monotonic(), at=self._clock.now())
        self._report, self._limit = None, report.limit
        self._next_load = self._next_store = self._clock.monotonic() + SYNC_INTERVAL
