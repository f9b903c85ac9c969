"""The budget of one key: its pace, its month and its stream starts, kept before a request leaves."""

# No limiter library does this. pyrate-limiter (with its SQLite bucket), limits and aiolimiter count a request
# when it is let go. The source counts it when it arrives: one that travelled slowly, and one that was let go
# a minute later and travelled fast, may arrive in the same minute. Nor do waiting processes take turns with
# any of them, and limits and aiolimiter share nothing between processes without a server.

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Final, NamedTuple, Protocol

from connectors.clock import Clock
from connectors.errors import BudgetSpent, QuotaExhausted, StreamsExhausted, Unreachable
from connectors.throttle_memory import Memory

WINDOW: Final = 60.0
# However long a source asks to wait: then one asks again, so that a slip of its pen stops nobody for days.
LONGEST_HOLD: Final = 600.0
# What a source may say of its quotas and be believed: each start is kept, and SQLite has integers of 64 bits.
MOST_STARTS: Final = 10_000
MOST: Final = 10**12


class Usage(NamedTuple):
    """What of a month is used, of how much (None = not known), and when it starts anew (UTC, if known)."""

    used: int
    limit: int | None
    resets_at: datetime | None

    @property
    def left(self) -> int | None:
        """Requests that are left of the month, if its size is known."""
        return None if self.limit is None else max(self.limit - self.used, 0)


class Quota(NamedTuple):
    """What an answer's headers say of some quota: its size, what is left, and when it starts anew (UTC)."""

    limit: int | None
    remaining: int | None
    resets_at: datetime | None


class Slot(NamedTuple):
    """A request that may be sent: its number in the store, and when it was let go (monotonic seconds)."""

    ticket: int
    sent_at: float


class Store(Protocol):
    """The counts of one key; every call is one transaction, whoever else uses the same store.

    `now` is monotonic seconds, `at` is aware, in UTC. Tickets are handed out in the order of asking.
    """

    def ask(
        self, ticket: int, cost: int, *, metered: bool, lease: float, now: float, at: datetime
    ) -> tuple[int, float | None]:
        """Let a request go, or put it in line; `ticket` is its place from an earlier asking, 0 at first.

        Returns the ticket and the seconds after which to ask again: 0 where it may be sent now, None where
        the month is used up. What was let go counts until `lease` from now, if nobody says `answered`.
        """
        ...

    def answered(self, ticket: int, free_at: float) -> None:
        """Have a request that was let go count until `free_at`."""
        ...

    def withdraw(self, ticket: int) -> None:
        """Forget a request that was not sent, whether it was let go or stands in line."""
        ...

    def pace(self, per_minute: int) -> None:
        """Set what a minute allows."""
        ...

    def hold(self, now: float, until: float) -> None:
        """Let nothing go before `until`."""
        ...

    def told_month(
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
        ...

    def month(self, at: datetime) -> tuple[int, int | None, datetime | None]:
        """Return what of the month is used, its limit, and when it starts anew."""
        ...

    def start_stream(self, route: str, at: datetime) -> tuple[bool, datetime | None]:
        """Count a start, unless they are used up; whether it was, and else when the oldest is a day old."""
        ...

    def take_back_stream(self, route: str) -> None:
        """Forget the newest start."""
        ...

    def told_streams(
        self, route: str, used: int | None, limit: int, *, resets_at: datetime | None, at: datetime
    ) -> None:
        """Correct the starts by what the source said; `resets_at` is when the oldest is a day old."""
        ...

    def streams(self, route: str, at: datetime) -> tuple[int, int | None]:
        """Return the starts of the last 24 hours, and how many there may be."""
        ...

    def close(self) -> None:
        """Let go of the store."""
        ...


class Throttle:
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
        store: Store | None = None,
        *,
        source: str = "",
        deadline: float = 30.0,
    ) -> None:
        self._clock = clock
        self._store = store or Memory()
        self._source = source
        self._lease = deadline + WINDOW
        # One of a process's requests waits in the store, so that processes take turns however many they have.
        self._first = asyncio.Lock()
        self._streaming: set[str] = set()
        self._allowed: int | None = None
        self.pace(per_minute)

    def pace(self, per_minute: int | None) -> None:
        """Set what a minute allows, from now on; what was sent in the last minute counts."""
        if per_minute is not None:
            self._store.pace(min(per_minute, MOST))

    def cap(self, requests: int) -> None:
        """Let so many more requests of the month go from here; the next one raises BudgetSpent."""
        self._allowed = requests

    def hold(self, seconds: float) -> None:
        """Send nothing for `seconds` (ten minutes at most), because the API said so to one request."""
        now = self._clock.monotonic()
        self._store.hold(now, now + min(seconds, LONGEST_HOLD))

    @asynccontextmanager
    async def slot(self, cost: int = 1, *, metered: bool = True) -> AsyncIterator[Slot]:
        """Wait for the right to send one request that costs so much, and hold it until the answer is there.

        `metered` says that it counts in the month. Raises QuotaExhausted where the month is used up, and
        BudgetSpent where the cap is.
        """
        async with self._first:
            if metered and self._allowed == 0:
                raise BudgetSpent("the requests that this run was allowed are used up", self._source)
            ticket = await self._admitted(cost, metered=metered)
            if metered and self._allowed is not None:
                self._allowed -= 1
        try:
            yield Slot(ticket, self._clock.monotonic())
        except Unreachable:
            self._store.withdraw(ticket)
            raise
        finally:
            self._store.answered(ticket, self._clock.monotonic() + WINDOW)

    async def _admitted(self, cost: int, *, metered: bool) -> int:
        ticket, wait = self._ask(0, cost, metered=metered)
        try:
            while wait > 0:
                await self._clock.sleep(wait)
                ticket, wait = self._ask(ticket, cost, metered=metered)
        except BaseException:
            self._store.withdraw(ticket)
            raise
        return ticket

    def _ask(self, ticket: int, cost: int, *, metered: bool) -> tuple[int, float]:
        now, at = self._clock.monotonic(), self._clock.now()
        ticket, wait = self._store.ask(ticket, cost, metered=metered, lease=self._lease, now=now, at=at)
        if wait is None:
            resets_at = self.month().resets_at
            raise QuotaExhausted("the month's requests are used up", self._source, resets_at=resets_at)
        return ticket, wait

    def month(self) -> Usage:
        """Return what is known of the month."""
        return Usage(*self._store.month(self._clock.now()))

    def moment(self) -> float:
        """Return the moment to name as `since`, before what will be told is asked for."""
        return self._clock.monotonic()

    def told_month(self, used: int | None, limit: int | None, *, since: float) -> None:
        """Take the account's word for the month, which was asked for at the moment `since`."""
        if limit is not None:
            used, limit = None if used is None else min(used, MOST), min(limit, MOST)
            self._store.told_month(used, limit, since=since, own=0, resets_at=None, at=self._clock.now())

    def note(self, route: str, slot: Slot, quota: Quota, error: Exception | None = None) -> None:
        """Take the word of an answer's headers, of an answer that means `error`.

        A stream's speak of its starts, and so do those of a refusal for want of starts. Others speak of the
        month only where their limit is the month's: on a burst they describe the minute.
        """
        at = self._clock.now()
        limit, remaining, resets_at = quota
        if limit is None or remaining is None or remaining > limit:
            return
        if route in self._streaming and (error is None or isinstance(error, StreamsExhausted)):
            if limit > MOST_STARTS:
                return
            self._store.told_streams(route, limit - remaining, limit, resets_at=resets_at, at=at)
        elif limit == self.month().limit:
            self._store.told_month(
                limit - remaining, limit, since=slot.sent_at, own=slot.ticket, resets_at=resets_at, at=at
            )

    def start_stream(self, route: str) -> None:
        """Count the start of a stream on `route` ("POST /v1/prices"), before it is sent.

        Raises StreamsExhausted, with the moment of the next, where those of the last 24 hours are used up.
        """
        self._streaming.add(route)
        started, free_at = self._store.start_stream(route, self._clock.now())
        if not started:
            told = f"the stream starts of {route} in 24 hours are used up"
            raise StreamsExhausted(told, self._source, resets_at=free_at)

    def refused(self, route: str, error: Exception) -> None:
        """Take a refusal's word: what is exhausted is used up, whatever its headers say.

        The start of a stream that was refused is taken back: only those that succeed are counted.
        """
        at, most = self._clock.now(), self.month().limit
        if isinstance(error, StreamsExhausted):
            limit = self.streams(route)[1]
            if limit is not None:
                self._store.told_streams(route, limit, limit, resets_at=error.resets_at, at=at)
            return
        if isinstance(error, QuotaExhausted) and most is not None:
            since = self._clock.monotonic()
            self._store.told_month(most, most, since=since, own=0, resets_at=error.resets_at, at=at)
        if route in self._streaming:
            self._store.take_back_stream(route)

    def allow_streams(self, route: str, limit: int) -> None:
        """Set how many streams may start on `route` in 24 hours, as the tier has it."""
        self._store.told_streams(route, None, limit, resets_at=None, at=self._clock.now())

    def streams(self, route: str) -> tuple[int, int | None]:
        """Return the stream starts of the last 24 hours on `route`, and how many there may be, if known."""
        return self._store.streams(route, self._clock.now())

    def close(self) -> None:
        """Let go of the store."""
        self._store.close()
