"""The budget of one key: its pace, its month and its stream starts, kept before a request leaves."""

# No limiter library does this. pyrate-limiter (with its SQLite bucket), limits and aiolimiter count a request
# when it is let go. The source counts it when it arrives: one that travelled slowly, and one that was let go
# a minute later and travelled fast, may arrive in the same minute. Nor do waiting processes take turns with
# any of them, and limits and aiolimiter share nothing between processes without a server.

from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Final, NamedTuple

from common.clock import Clock
from common.errors import QuotaExhausted, StreamsExhausted
from connectors.ratelimit.admission import MAX_BATCH, AdmissionQueue, Permit
from connectors.ratelimit.memory import InMemoryStore
from connectors.ratelimit.store import BATCH_DIVISOR, WINDOW, RateLimitStore

# However long a source asks to wait: then one asks again, so that a slip of its pen stops nobody for days.
MAX_PAUSE: Final = 600.0
# What a source may say of its quotas and be believed: each start is kept, and SQLite has integers of 64 bits.
MAX_STREAM_STARTS: Final = 10_000
MAX_REPORTED: Final = 10**12
# Every answer tells the month: while there is much of it left, it is written down so often (seconds).
SYNC_INTERVAL: Final = 0.25
PLENTY: Final = BATCH_DIVISOR * MAX_BATCH


class MonthUsage(NamedTuple):
    """What of a month is used, of how much (None = not known), and when it starts anew (UTC, if known)."""

    used: int
    limit: int | None
    resets_at: datetime | None

    @property
    def left(self) -> int | None:
        """Requests that are left of the month, if its size is known."""
        return None if self.limit is None else max(self.limit - self.used, 0)


class QuotaHeaders(NamedTuple):
    """What an answer's headers say of some quota: its size, what is left, and when it starts anew (UTC)."""

    limit: int | None
    remaining: int | None
    resets_at: datetime | None


class _QuotaReport(NamedTuple):
    """What the source said of the month to the request `own`, which was sent at the moment `since`."""

    used: int | None
    limit: int
    since: float
    own: int
    resets_at: datetime | None


class RateLimiter:
    """The budget of one key on `clock`, kept in `store`; in this process's memory without one.

    `per_minute` requests (None = no limit, until `pace` sets one) may arrive at the source in any minute: one
    is counted before it leaves and until 60 s after its answer came, however long either travels. Of a
    process that dies with requests under way, these count for `deadline` seconds more. `source` is named in
    errors.
    """

    def __init__(
        self,
        per_minute: int | None,
        clock: Clock,
        store: RateLimitStore | None = None,
        *,
        source: str = "",
        deadline: float = 30.0,
    ) -> None:
        self._clock = clock
        self._store = store or InMemoryStore()
        self._source = source
        self._admission = AdmissionQueue(self._store, clock, source, deadline + WINDOW)
        self._streaming: set[str] = set()
        self._word: _QuotaReport | None = None
        self._limit: int | None = None
        self._write_at = self._look_at = float("-inf")
        self.set_rate(per_minute)

    def set_rate(self, per_minute: int | None) -> None:
        """Set what a minute allows, from now on; what was sent in the last minute counts."""
        if per_minute is not None:
            self._store.set_rate(min(per_minute, MAX_REPORTED))

    def set_budget(self, requests: int) -> None:
        """Let so many more requests of the month go from here; the next one raises BudgetSpent."""
        self._admission.set_budget(requests)

    def pause(self, seconds: float) -> None:
        """Send nothing for `seconds` (ten minutes at most), because the API said so to one request."""
        self._admission.release_unused()
        now = self._clock.monotonic()
        self._store.pause(now, now + min(seconds, MAX_PAUSE))

    def acquire(self, cost: int = 1, *, metered: bool = True) -> AbstractAsyncContextManager[Permit]:
        """Wait for the right to send one request that costs so much, and hold it until the answer is there.

        `metered` says that it counts in the month. Raises QuotaExhausted where the month is used up, and
        BudgetSpent where the cap is.
        """
        return self._admission.acquire(cost, metered=metered)

    def month_usage(self) -> MonthUsage:
        """Return what is known of the month."""
        return MonthUsage(*self._store.month(self._clock.now()))

    def sync_point(self) -> float:
        """Return the moment to name as `since`, before what will be told is asked for."""
        return self._clock.monotonic()

    def sync_month(self, used: int | None, limit: int | None, *, since: float) -> None:
        """Take the account's word for the month, which was asked for at the moment `since`."""
        if limit is not None:
            used, limit = None if used is None else min(used, MAX_REPORTED), min(limit, MAX_REPORTED)
            self._apply_report(_QuotaReport(used, limit, since, 0, None))

    def observe_headers(
        self, route: str, slot: Permit, quota: QuotaHeaders, error: Exception | None = None
    ) -> None:
        """Take the word of an answer's headers, of an answer that means `error`.

        A stream's speak of its starts, and so do those of a refusal for want of starts. Others speak of the
        month only where their limit is the month's: on a burst they describe the minute.
        """
        at = self._clock.now()
        limit, remaining, resets_at = quota
        if limit is None or remaining is None or remaining > limit:
            return
        if route in self._streaming and (error is None or isinstance(error, StreamsExhausted)):
            if limit > MAX_STREAM_STARTS:
                return
            self._store.sync_streams(route, limit - remaining, limit, resets_at=resets_at, at=at)
        elif limit == self._months_limit():
            self._word = _QuotaReport(limit - remaining, limit, slot.sent_at, slot.ticket, resets_at)
            alone = self._admission.in_flight <= 1
            if alone or remaining < PLENTY or self._clock.monotonic() >= self._write_at:
                self._store_report()

    def claim_stream_start(self, route: str) -> None:
        """Count the start of a stream on `route` ("POST /v1/prices"), before it is sent.

        Raises StreamsExhausted, with the moment of the next, where those of the last 24 hours are used up.
        """
        self._streaming.add(route)
        started, free_at = self._store.start_stream(route, self._clock.now())
        if not started:
            told = f"the stream starts of {route} in 24 hours are used up"
            raise StreamsExhausted(told, self._source, resets_at=free_at)

    def observe_error(self, route: str, error: Exception) -> None:
        """Take a refusal's word: what is exhausted is used up, whatever its headers say.

        The start of a stream that was refused is taken back: only those that succeed are counted.
        """
        if isinstance(error, StreamsExhausted):
            limit = self.stream_usage(route)[1]
            if limit is not None:
                at = self._clock.now()
                self._store.sync_streams(route, limit, limit, resets_at=error.resets_at, at=at)
            return
        if isinstance(error, QuotaExhausted):
            most = self.month_usage().limit
            if most is not None:
                self._apply_report(_QuotaReport(most, most, self.sync_point(), 0, error.resets_at))
        if route in self._streaming:
            self._store.release_stream_start(route)

    def set_stream_limit(self, route: str, limit: int) -> None:
        """Set how many streams may start on `route` in 24 hours, as the tier has it."""
        self._store.sync_streams(route, None, limit, resets_at=None, at=self._clock.now())

    def stream_usage(self, route: str) -> tuple[int, int | None]:
        """Return the stream starts of the last 24 hours on `route`, and how many there may be, if known."""
        return self._store.streams(route, self._clock.now())

    def close(self) -> None:
        """Give back what was not sent, and let go of the store."""
        try:
            self._admission.release_unused()
            self._store_report()
        finally:
            self._store.close()

    def _months_limit(self) -> int | None:
        """The month's limit, as it was in the store a moment ago."""
        now = self._clock.monotonic()
        if now >= self._look_at:
            self._limit, self._look_at = self.month_usage().limit, now + SYNC_INTERVAL
        return self._limit

    def _store_report(self) -> None:
        """Write down the last word, unless what it may not have counted is forgotten since."""
        word = self._word
        if word is not None and self._clock.monotonic() < word.since + WINDOW:
            self._apply_report(word)

    def _apply_report(self, word: _QuotaReport) -> None:
        if word.used is None or word.limit - word.used < PLENTY:
            self._admission.release_unused()
        used, limit, since, own, resets_at = word
        at = self._clock.now()
        self._store.sync_month(used, limit, since=since, own=own, resets_at=resets_at, at=at)
        now = self._clock.monotonic()
        self._word, self._limit = None, limit
        self._look_at = self._write_at = now + SYNC_INTERVAL
