"""The live part from end to end: follow the feeds of the live baskets, load and publish every few seconds.

This module knows no scheduler.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final, cast

from common.clock import Clock, SystemClock
from common.concurrency import gather_fail_fast
from common.errors import ConfigError, PlanForbids, SourceError
from common.severity import most_severe
from common.warehouse_errors import NotPublished, SharedDatabaseUnreachable, WarehouseLocked
from connectors.cs2cap.connector import CS2Cap
from connectors.cs2cap.contract import BOOK_SIDES
from connectors.cs2cap.feed import FeedScope
from pipelines.alerts.auth_breaker import AuthBreaker
from pipelines.config import BasketSettings, Settings
from pipelines.exit_codes import run_state
from pipelines.live.event_lander import EventLander
from pipelines.live.feed_follower import FeedFollower, FeedSpan
from pipelines.live.micro_batch import land_span
from pipelines.live.silence import SilenceCheck
from pipelines.live.state_reader import StateReader
from pipelines.loading import load_before_exit, load_in_thread
from pipelines.planning.baskets import BasketPlanner, PlannedBasket
from pipelines.preparation import prepare_warehouse
from pipelines.results import RunResult
from pipelines.source_session import SourceSession
from warehouse.queries.runner import run_query

# Between the beginnings of two loads; a load that takes longer leaves as much time to other loaders.
LOAD_SECONDS: Final = 2.0
BUSY: Final = (WarehouseLocked, SharedDatabaseUnreachable)
# A process that was killed may have missed what was seen after the last event that it landed.
LAST_HEARD: Final = """
SELECT max(least(coalesce(o.observed_to, r.finished_at), r.finished_at))
FROM store.run r LEFT JOIN store.observation o USING (run_key)
WHERE r.flow = 'live' AND (o.observed_to IS NOT NULL OR r.state IN ('done', 'incomplete'))
    AND r.source = ? AND r.basket = ?
"""


class LivePipeline:
    """Follows the feeds of the live baskets called `names`, or of all; `notify` gets lines for people.

    `silence` compares the feeds with what snapshots find, once the pipeline runs.
    """

    def __init__(
        self,
        settings: Settings,
        names: Sequence[str] = (),
        clock: Clock | None = None,
        *,
        notify: Callable[[str], None] = lambda _line: None,
    ) -> None:
        self._settings = settings
        self._baskets = _select(settings, names)
        self._clock = clock or SystemClock()
        self._notify = notify
        self._landed = asyncio.Event()
        self._breaker: AuthBreaker
        self.silence: SilenceCheck

    async def run(self) -> None:
        """Follow the feeds until this call is cancelled, or until the sources refuse them all.

        What has arrived is landed and loaded then. Raises the SourceError of the refusal, ConfigError, and
        WarehouseError.
        """
        prepare_warehouse(self._settings, self._clock.now())
        self._breaker = AuthBreaker(self._settings, self._clock)
        self.silence = SilenceCheck(self._settings, self._clock)
        guards = [asyncio.create_task(work) for work in (self._load_landed(), self.silence.run())]
        try:
            sources = dict.fromkeys(basket.source for basket in self._baskets)
            following = [asyncio.create_task(self._follow_source(source)) for source in sources]
            await _wait_for_all(guards, following)
        finally:
            load_before_exit(self._settings, self._clock)

    async def _follow_source(self, source: str) -> None:
        """Follow the feeds of one source; an error of one feed that is final ends them all."""
        baskets = [basket for basket in self._baskets if basket.source == source]
        async with SourceSession(self._settings, source, self._clock) as session:
            try:
                await self._follow_feeds(session, baskets)
            except SourceError as error:
                self._notify(f"{source} is not live any more: {error}")
                await self._report(session, baskets, error)
                raise

    async def _follow_feeds(self, session: SourceSession, baskets: Sequence[BasketSettings]) -> None:
        limits = await session.open(self._breaker)
        if not limits.feeds:
            raise PlanForbids(f"the {limits.tier} tier does not include the feeds", session.name)
        planner = BasketPlanner(self._settings, session.catalogs, limits, self._clock.now())
        planned = await planner.plan_all(baskets)
        if error := next((basket.error for basket in planned if basket.error is not None), None):
            raise error
        count_requests = _RequestCounter(session)
        feeds = [
            self._follow_feed(session, basket.basket, scope, state=state, count_requests=count_requests)
            for basket in planned
            for state in [StateReader(self._settings, basket.basket, self._clock)]
            for scope in feed_scopes(basket)
        ]
        await gather_fail_fast(*feeds)

    async def _follow_feed(
        self,
        session: SourceSession,
        basket: BasketSettings,
        scope: FeedScope,
        *,
        state: StateReader,
        count_requests: Callable[[], int],
    ) -> None:
        lander = EventLander(
            self._settings,
            basket,
            scope.side.delivery,
            self._clock,
            on_landed=self._landed.set,
            count_requests=count_requests,
        )
        follower = FeedFollower(
            cast("CS2Cap", session.connector),
            basket,
            scope,
            clock=self._clock,
            lander=lander,
            state=state,
            heard_until=await asyncio.to_thread(self._last_heard, basket),
            on_span=lambda span: self._land_span(follower, span),
            notify=self._notify,
        )
        self.silence.add(follower)
        landing = asyncio.create_task(lander.run())
        try:
            await _wait_for_all([landing], [asyncio.create_task(follower.run())])
        finally:
            landing.cancel()
            await asyncio.gather(landing, return_exceptions=True)

    async def _load_landed(self) -> None:
        """Load and publish what was landed, at most every LOAD_SECONDS."""
        while True:
            await self._landed.wait()
            self._landed.clear()
            started = self._clock.monotonic()
            try:
                await load_in_thread(self._settings, [], self._clock)
            except BUSY as error:
                self._notify(f"what was landed waits for the next load: {error}")
                self._landed.set()
            taken = self._clock.monotonic() - started
            await self._clock.sleep(max(LOAD_SECONDS - taken, taken))

    def _land_span(self, follower: FeedFollower, span: FeedSpan) -> None:
        reason = None
        if span.reason is not None:
            reason = f"{follower.feed_name} was not heard: {span.reason}"
            self._notify(
                f"{follower.name} was not heard from {span.start:%H:%M:%S} to {span.end:%H:%M:%S} UTC"
            )
        state = "done" if reason is None else "incomplete"
        times = span.start, span.end
        land_span(self._settings.paths, follower.basket, times, state=state, reason=reason)
        self._landed.set()

    def _last_heard(self, basket: BasketSettings) -> datetime | None:
        """Return when an earlier process heard the feeds of a basket last, as far as the warehouse knows."""
        with contextlib.suppress(NotPublished):
            ((heard,),) = run_query(self._settings.paths, LAST_HEARD, (basket.source, basket.name)).rows
            return cast("datetime | None", heard)
        return None

    async def _report(
        self, session: SourceSession, baskets: Sequence[BasketSettings], error: SourceError
    ) -> None:
        """Land a run for each basket that says why it is not live, and raise the alerts of a refusal."""
        now, state = self._clock.now(), run_state(error, complete=False)
        results = [
            RunResult(
                run_id=land_span(self._settings.paths, basket, (now, now), state=state, reason=str(error)),
                basket=basket.name,
                source=basket.source,
                state=state,
                requests=0,
                pages=0,
                error=error,
                incomplete_reason=str(error),
                key_tail=session.key_tail,
            )
            for basket in baskets
        ]
        rejected_key = None if session.blocked_by_breaker else session.key
        await self._breaker.report_failures(results, rejected_key)


class _RequestCounter:
    """Returns the requests that a session has sent since the last call."""

    def __init__(self, session: SourceSession) -> None:
        self._session = session
        self._counted = 0

    def __call__(self) -> int:
        counted, self._counted = self._counted, self._session.requests_sent
        return self._counted - counted


def feed_scopes(planned: PlannedBasket) -> list[FeedScope]:
    """Return what the feeds of a basket are to tell."""
    request = planned.request
    providers = {"standard": request.providers, "bid": request.bidders}
    return [
        FeedScope(
            BOOK_SIDES[side],
            () if request.every_provider else providers[side],
            request.items or (),
        )
        for side in planned.basket.feed_sides
    ]


def _select(settings: Settings, names: Sequence[str]) -> tuple[BasketSettings, ...]:
    """Return the live baskets with these names, or all of them. Raises ConfigError where there is none."""
    baskets = settings.select_baskets(tuple(names))
    live = tuple(basket for basket in baskets if basket.live)
    missing = [basket.name for basket in baskets if not basket.live]
    if not live or (names and missing):
        what = f"the basket {missing[0]} is not live" if names else "no basket is live"
        raise ConfigError(f"{what}: write live = true into its table")
    return live


async def _wait_for_all(guards: Sequence[asyncio.Task[None]], work: Sequence[asyncio.Task[None]]) -> None:
    """Wait until all `work` has ended, or a guard has; cancel the rest, and raise the most severe error."""
    everything = [*guards, *work]
    try:
        pending = set(work)
        while pending:
            done, _ = await asyncio.wait({*guards, *pending}, return_when=asyncio.FIRST_COMPLETED)
            pending -= done
            if any(guard.done() for guard in guards):
                break
    finally:
        for task in everything:
            task.cancel()
        await asyncio.gather(*everything, return_exceptions=True)
    errors = [error for task in everything if not task.cancelled() and (error := task.exception())]
    if errors:
        raise most_severe(BaseExceptionGroup("live", errors))
