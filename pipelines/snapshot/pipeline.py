"""A market snapshot from end to end: plan, fetch, land, load, publish, report. Knows no scheduler."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import sys
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Final

from common.clock import Clock, SystemClock
from common.concurrency import gather_fail_fast
from common.errors import ConfigError, QuotaExhausted, SourceError, WarehouseError
from connectors.base import Account, Connector
from connectors.http.auth import Key
from connectors.tiers import limits_for
from pipelines.alerts.auth_breaker import AuthBreaker
from pipelines.catalogs import CatalogCache
from pipelines.config import AnySource, BasketSettings, Settings
from pipelines.loading import load_and_publish
from pipelines.planning.baskets import BasketPlanner, PlannedBasket
from pipelines.planning.quota import exhausted_streams, over_quota_baskets
from pipelines.results import RunResult, run_state, with_load
from pipelines.snapshot.extraction import BasketExtractor, ShardTask, WrapTask, new_run_id
from pipelines.snapshot.page_writers import PageWriters
from pipelines.snapshot.progress import NullProgress, Progress
from pipelines.sources import authenticate_with_failover, build_connector
from warehouse.landing.model import RunHeader
from warehouse.landing.writer import LandingWriter
from warehouse.loading.run import LoadReport
from warehouse.paths import WarehousePaths

SHUTDOWN_GRACE: Final = 5.0
LoadStep = Callable[[], Awaitable[Sequence[LoadReport]]]
WrapLoadStep = Callable[[LoadStep], LoadStep]


def no_wrap(_label: str, fetch: ShardTask) -> ShardTask:
    """The fetch of a shard as it is."""
    return fetch


def no_load_wrap(step: LoadStep) -> LoadStep:
    """The loading as it is."""
    return step


@dataclasses.dataclass(slots=True)
class SourceSession:
    """One source during a snapshot: its connector, catalogs and baskets, and the error that stopped it."""

    source: str
    baskets: list[BasketSettings]
    connector: Connector | None = None
    catalogs: CatalogCache | None = None
    prepared: list[PlannedBasket] = dataclasses.field(default_factory=list)
    error: SourceError | None = None
    over_quota: dict[str, QuotaExhausted] = dataclasses.field(
        default_factory=dict
    )  # what does not fit the month
    key: Key | None = None
    blocked_by_breaker: bool = False  # by the breaker: the source was not asked
    requests_billed: int = 0  # requests that a run already accounts for; the account's own costs nothing

    @property
    def key_tail(self) -> str:
        """The last characters of the key, if it is known and long enough to show them."""
        return self.key.tail if self.key is not None else ""


class SnapshotPipeline:
    """One snapshot of some baskets. `wrap` and `wrap_settle` let a scheduler make tasks of the steps.

    A basket that cannot fit into what is left of the month is refused unless `force` is set.
    """

    flow = "snapshot"

    def __init__(
        self,
        settings: Settings,
        names: tuple[str, ...] = (),
        clock: Clock | None = None,
        progress: Progress | None = None,
        *,
        force: bool = False,
    ) -> None:
        self._settings = settings
        self._force = force
        self._baskets = settings.chosen(names)
        self._clock = clock or SystemClock()
        self._progress = progress or NullProgress()
        self.home = WarehousePaths(Path(settings.root))

    async def run(
        self, wrap: WrapTask = no_wrap, wrap_settle: WrapLoadStep = no_load_wrap
    ) -> list[RunResult]:
        """Take it. One result a basket, in the order of the configuration.

        A source that fails leaves the others alone; what failed is in the results. Raises ConfigError before
        any price is asked for, and WarehouseError with everything landed.
        """
        self.home.prepare()
        self.home.ensure_free_space(int(self._settings.warehouse.least_free))
        self._alarm = AuthBreaker(self._settings, self._clock)
        desks = self._sessions()
        try:
            await self._open(desks)
            results = await self._fetch(desks, wrap)
        except Exception:
            raise
        except BaseException:  # cancelled, or the exception that Prefect makes of SIGTERM
            # in place: whoever stops us waits for the end of this process, and of nothing else in it
            with contextlib.suppress(WarehouseError):
                load_and_publish(self._settings, [], self._clock, patience=shutdown_grace())
            raise
        finally:
            await self._close(desks)
        loads = await wrap_settle(
            lambda: asyncio.to_thread(load_and_publish, self._settings, results, self._clock)
        )()
        by_run = {load.run_id: load for load in loads}
        return [with_load(result, by_run.get(result.run_id)) for result in results]

    def _sessions(self) -> list[SourceSession]:
        names = dict.fromkeys(basket.source for basket in self._baskets)
        return [
            SourceSession(name, [basket for basket in self._baskets if basket.source == name])
            for name in names
        ]

    async def _open(self, desks: Sequence[SourceSession]) -> None:
        """Prove every key and plan every basket, before the first price. Raises ConfigError."""
        await gather_fail_fast(*(self._open_one(desk) for desk in desks))

    async def _open_one(self, desk: SourceSession) -> None:
        try:
            source = self._settings.sources[desk.source]
            attempt = partial(self._authenticate, desk, source)
            account = await authenticate_with_failover(
                desk.source, source, self._settings.base, self._alarm, attempt
            )
            assert desk.connector is not None  # noqa: S101 - as just proved; for the type checker
            desk.requests_billed = desk.connector.requests
            desk.catalogs = CatalogCache(self.home.catalog, desk.connector, self._clock)
            terms = limits_for(source.tier, account, source.kind)
            spent = exhausted_streams(desk.connector.rate_limiter)
            planning = BasketPlanner(self._settings, desk.catalogs, terms, self._clock.now(), spent=spent)
            desk.prepared = await planning.plan_all(desk.baskets)
            desk.over_quota = (
                {}
                if self._force
                else over_quota_baskets(desk.prepared, desk.connector.rate_limiter.month_usage())
            )
        except ConfigError:
            raise
        except SourceError as error:
            desk.error = error

    async def _authenticate(self, desk: SourceSession, source: AnySource, key: Key) -> Account:
        """Have the source accept a key, unless the breaker keeps it back; the desk is left with both."""
        desk.key, desk.blocked_by_breaker = key, True
        self._alarm.check(desk.source, key)
        desk.blocked_by_breaker = False
        if desk.connector is not None:
            await desk.connector.aclose()
        desk.connector = build_connector(desk.source, source, key, self._clock, state=self.home.state)
        account = await desk.connector.account()
        self._alarm.reset(desk.source)
        return account

    async def _fetch(self, desks: Sequence[SourceSession], wrap: WrapTask) -> list[RunResult]:
        """Sources side by side; the baskets of one source one after another, on its one connector."""
        async with PageWriters() as presses:
            fetched = await gather_fail_fast(*(self._fetch_source(desk, presses, wrap) for desk in desks))
        by_basket = {result.basket: result for results in fetched for result in results}
        return [by_basket[basket.name] for basket in self._baskets]

    async def _fetch_source(
        self, desk: SourceSession, presses: PageWriters, wrap: WrapTask
    ) -> list[RunResult]:
        results = await self._results(desk, presses, wrap)
        await self._alarm.report_failures(results, None if desk.blocked_by_breaker else desk.key)
        return results

    async def _results(self, desk: SourceSession, presses: PageWriters, wrap: WrapTask) -> list[RunResult]:
        if desk.error is not None or desk.connector is None or desk.catalogs is None:
            sent = desk.connector.requests if desk.connector else 0
            first, *others = desk.baskets
            refused = [self._record_not_run(desk, basket, desk.error, 0) for basket in others]
            return [self._record_not_run(desk, first, desk.error, sent), *refused]
        return [await self._fetch_basket(desk, prepared, presses, wrap) for prepared in desk.prepared]

    async def _fetch_basket(
        self, desk: SourceSession, prepared: PlannedBasket, presses: PageWriters, wrap: WrapTask
    ) -> RunResult:
        assert desk.connector is not None  # noqa: S101 - as checked by the caller; for the type checker
        assert desk.catalogs is not None  # noqa: S101
        before, desk.requests_billed = desk.requests_billed, desk.connector.requests
        beyond = desk.over_quota.get(prepared.basket.name)
        if beyond is not None:
            return self._record_not_run(desk, prepared.basket, beyond, desk.requests_billed - before)
        fetch = BasketExtractor(
            *(self.home, prepared, desk.connector, desk.catalogs),
            presses=presses,
            clock=self._clock,
            progress=self._progress,
            sent_before=before,
        )
        result = await fetch.run(self.flow, wrap)
        desk.requests_billed = desk.connector.requests
        return dataclasses.replace(result, key_tail=desk.key_tail)

    def _record_not_run(
        self, desk: SourceSession, basket: BasketSettings, error: SourceError | None, requests: int
    ) -> RunResult:
        """A run that ended before its first price is a run all the same: it is landed, loaded and seen."""
        now = self._clock.now()
        header = RunHeader(
            new_run_id(now), self.flow, desk.source, basket.name, now, int(basket.every.total_seconds())
        )
        state = run_state(error, complete=False)
        with LandingWriter(self.home.landing, header) as landing:
            landing.finish(
                state,
                finished_at=now,
                requests=requests,
                incomplete_reason=str(error),
                request_id=error.request_id or None if error else None,
            )
        return RunResult(
            run_id=header.run_id,
            basket=basket.name,
            source=desk.source,
            state=state,
            requests=requests,
            pages=0,
            error=error,
            incomplete_reason=str(error),
            key_tail=desk.key_tail,
        )

    async def _close(self, desks: Sequence[SourceSession]) -> None:
        for desk in desks:
            if desk.connector is not None:
                await desk.connector.aclose()


def shutdown_grace() -> float:
    """Seconds that a run which is being stopped waits for another loader; none if it was told to twice.

    asyncio makes a cancellation of the first Ctrl-C, and leaves the second one what it is.
    """
    task = asyncio.current_task()
    twice = isinstance(sys.exception(), KeyboardInterrupt) or (task is not None and task.cancelling() > 1)
    return 0.0 if twice else SHUTDOWN_GRACE
