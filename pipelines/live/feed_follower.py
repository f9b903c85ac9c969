"""Follow one feed: open it, read the state, land what it tells, and begin again after a break."""

from __future__ import annotations

import contextlib
import math
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from common.clock import Clock
from common.concurrency import gather_fail_fast
from common.errors import (
    Busy,
    Intercepted,
    QuotaExhausted,
    SourceError,
    TransientError,
    Unavailable,
    UnexpectedResponse,
)
from common.text import sanitize
from connectors.cs2cap.connector import CS2Cap
from connectors.cs2cap.feed import Feed, FeedScope
from connectors.http.retry import RetryPolicy
from pipelines.config import BasketSettings
from pipelines.live.event_lander import EventLander
from pipelines.live.state_reader import StateReader

# A feed that breaks sooner is opened again later and later, with jitter.
STEADY_SECONDS: Final = 10.0
BACKOFF: Final = RetryPolicy(attempts=10**9, max_wait=math.inf, base=1.0, cap=60.0, failures={})
# How long to wait where the month's requests are used up.
QUOTA_PAUSE: Final = 3600.0
NAMES: Final = {"standard": "asks", "bid": "bids"}


@dataclass(frozen=True, slots=True)
class FeedSpan:
    """A time in which a feed was heard, without a `reason`, or was not heard, with it."""

    start: datetime
    end: datetime
    reason: str | None = None


class FeedFollower:
    """Follows the feed of one side of a basket.

    `heard_until` (UTC) is when the feed was last heard before, if it ever was. `on_span` gets each time in
    which it was heard, or not; `notify` gets lines for people. `last_event_at` has the time of the last event
    of each provider since `opened_at` (both UTC; None while no feed is open).
    """

    def __init__(  # noqa: PLR0913 - each parameter is a decision of the caller
        self,
        source: CS2Cap,
        basket: BasketSettings,
        scope: FeedScope,
        *,
        clock: Clock,
        lander: EventLander,
        state: StateReader,
        heard_until: datetime | None,
        on_span: Callable[[FeedSpan], None],
        notify: Callable[[str], None],
    ) -> None:
        self.basket = basket
        self.scope = scope
        self.opened_at: datetime | None = None
        self.last_event_at: dict[str, datetime] = {}
        self._source = source
        self._clock = clock
        self._lander = lander
        self._state = state
        self._heard_until = heard_until
        self._reason = "Floorline did not run"  # since it was heard last
        self._on_span = on_span
        self._notify = notify

    @property
    def name(self) -> str:
        """The feed in messages, such as "core: the feed of asks"."""
        return f"{self.basket.name}: {self.feed_name}"

    @property
    def feed_name(self) -> str:
        """The feed without its basket, such as "the feed of asks"."""
        return f"the feed of {NAMES[self.scope.side.delivery]}"

    async def run(self) -> None:
        """Follow the feed until the source refuses it for good. Raises that SourceError, and WarehouseError.

        The wait before the next try grows with each one.
        """
        while True:
            await BACKOFF.run(self._follow, self._clock)

    async def _follow(self) -> None:
        """Follow the feed until it breaks. Raises TransientError where the next try has to wait longer."""
        started = self._clock.monotonic()
        try:
            async with self._open() as feed:
                await self._read(feed)
        except (TransientError, Intercepted, UnexpectedResponse, QuotaExhausted) as error:
            self._reason = self._reason or sanitize(error.detail)
            self._notify(f"{self.name} broke: {error}")
            if self._clock.monotonic() - started < STEADY_SECONDS or isinstance(error, Busy):
                raise _as_transient(error) from None
            await self._clock.sleep(BACKOFF.base * (1 + BACKOFF.random()) / 2)

    @contextlib.asynccontextmanager
    async def _open(self) -> AsyncIterator[Feed]:
        async with (
            self._source.rate_limiter.feed_connection(),
            self._source.open_feed(self.scope, self._clock) as feed,
        ):
            opened_at = self._clock.now()
            if self._heard_until is not None:
                self._on_span(FeedSpan(self._heard_until, opened_at, self._reason))
            self._reason = ""
            self.opened_at, self.last_event_at = opened_at, {}
            try:
                yield feed
            finally:
                self._heard_until, self.opened_at = max(opened_at, feed.heard_at), None
                self._on_span(FeedSpan(opened_at, self._heard_until))

    async def _read(self, feed: Feed) -> None:
        """Land the events, and meanwhile read the state of before: each row counts by its own time.

        Read before the feed is open, the state would lack what happens until it is, for good where that is a
        removal.
        """
        self._notify(f"{self.name} is open")
        await gather_fail_fast(self._land_events(feed), self._read_state(self._clock.now()))

    async def _land_events(self, feed: Feed) -> None:
        async for event in feed.events():
            self.last_event_at[event.provider] = self._clock.now()
            await self._lander.add(event)

    async def _read_state(self, opened_at: datetime) -> None:
        result = await self._state.read_since(opened_at)
        if result.state != "done":  # its own run says so, too; the next one on schedule reads it
            self._notify(f"{self.name}: the state was not read: {result.incomplete_reason or result.state}")


def _as_transient(error: SourceError) -> TransientError:
    """Return the error as one that is tried again."""
    if isinstance(error, TransientError):
        return error
    wait = QUOTA_PAUSE if isinstance(error, QuotaExhausted) else None
    return Unavailable(error.detail, error.source, retry_after=wait)
