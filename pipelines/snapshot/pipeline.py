"""A market snapshot from end to end: authenticate, plan, fetch, land, load, publish, report.

This module knows no scheduler.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable, Sequence

from common.clock import Clock, SystemClock
from common.concurrency import gather_fail_fast
from common.errors import (
    ConfigError,
    FloorlineError,
    QuotaExhausted,
    SourceError,
    TierUnknown,
    Unforeseen,
    WrongAddress,
)
from common.warehouse_errors import PublishedUnreadable
from connectors.tiers import TierLimits
from pipelines.alerts.auth_breaker import AuthBreaker
from pipelines.config import BasketSettings, Settings
from pipelines.descriptors import limit_connections
from pipelines.exit_codes import run_state
from pipelines.loading import load_before_exit, load_in_thread
from pipelines.planning.baskets import BasketPlanner, PlannedBasket
from pipelines.planning.quota import exhausted_streams, over_quota_baskets
from pipelines.preparation import prepare_warehouse
from pipelines.results import RunResult, with_loads
from pipelines.snapshot.extraction import BasketExtractor, new_run_header
from pipelines.snapshot.page_writers import PageWriters
from pipelines.snapshot.progress import NullProgress, Progress
from pipelines.source_session import SourceSession
from warehouse.landing.writer import LandingWriter
from warehouse.loading.pipeline import republish
from warehouse.loading.run import LoadReport

LoadStep = Callable[[], Awaitable[Sequence[LoadReport]]]


@dataclasses.dataclass(slots=True)
class SourceRun:
    """One source during a snapshot: its session, its baskets and plans, and the error that stopped it.

    `over_quota` holds the baskets, by name, that do not fit into the month. `requests_billed` counts the
    requests that some basket's result already includes.
    """

    session: SourceSession
    baskets: list[BasketSettings]
    planned: list[PlannedBasket] = dataclasses.field(default_factory=list)
    over_quota: dict[str, QuotaExhausted] = dataclasses.field(default_factory=dict)
    error: SourceError | None = None
    requests_billed: int = 0

    def bill_requests(self) -> int:
        """Return the number of requests sent since the last call."""
        billed, self.requests_billed = self.requests_billed, self.session.requests_sent
        return self.requests_billed - billed


class SnapshotPipeline:
    """One snapshot of the baskets called `names`, or of all baskets.

    A basket that does not fit into the rest of the month is refused unless `force` is set.
    """

    def __init__(
        self,
        settings: Settings,
        names: tuple[str, ...] = (),
        clock: Clock | None = None,
        progress: Progress | None = None,
        *,
        force: bool = False,
    ) -> None:
        self._baskets = settings.select_baskets(names)
        self._settings = limit_connections(settings, {basket.source for basket in self._baskets})
        self._force = force
        self._clock = clock or SystemClock()
        self._progress = progress or NullProgress()
        self._paths = settings.paths

    async def run(self, wrap_load: Callable[[LoadStep], LoadStep] = lambda step: step) -> list[RunResult]:
        """Take the snapshot; return one result per basket, in the order of the configuration.

        `wrap_load` lets a scheduler turn the last step into a task. A source that fails does not stop
        the others; its results hold the error. Raises ConfigError before the first price request, and
        WarehouseError after everything has landed.
        """
        prepare_warehouse(self._settings, self._clock.now())
        self._paths.ensure_free_space(int(self._settings.warehouse.least_free))
        self._auth_breaker = AuthBreaker(self._settings, self._clock)
        runs = self._source_runs()
        try:
            await gather_fail_fast(*(self._open(run) for run in runs))
            results = await self._fetch(runs)
        except Exception:
            raise
        except BaseException:  # cancelled, or the exception that Prefect raises for SIGTERM
            load_before_exit(self._settings, self._clock)
            raise
        finally:
            for run in runs:
                await run.session.aclose()
        loads = await wrap_load(lambda: load_in_thread(self._settings, results, self._clock))()
        return with_loads(results, loads)

    def _source_runs(self) -> list[SourceRun]:
        by_source: dict[str, list[BasketSettings]] = {}
        for basket in self._baskets:
            by_source.setdefault(basket.source, []).append(basket)
        return [
            SourceRun(SourceSession(self._settings, source, self._clock), baskets)
            for source, baskets in by_source.items()
        ]

    async def _open(self, run: SourceRun) -> None:
        """Authenticate and plan every basket, before the first price request. Raises ConfigError."""
        session = run.session
        try:
            limits = await session.open(self._auth_breaker)
            rate_limiter = session.connector.rate_limiter
            try:
                run.planned = await self._plan(run, limits)
            except PublishedUnreadable:
                await asyncio.to_thread(republish, self._paths, self._clock.now())
                run.planned = await self._plan(run, limits)
            if not self._force:
                run.over_quota = over_quota_baskets(run.planned, rate_limiter.month_usage())
            # Only now: after an error, the first basket is billed for all requests that were sent.
            run.requests_billed = session.requests_at_open
        except SourceError as error:
            # What the API answers concerns one source, whereas a wrong configuration concerns the command.
            if isinstance(error, ConfigError) and not isinstance(error, TierUnknown | WrongAddress):
                raise
            run.error = error
        except (FloorlineError, OSError):
            raise
        except Exception as error:  # noqa: BLE001 - one source's failure stays its own
            run.error = Unforeseen.of(error, session.name)

    async def _plan(self, run: SourceRun, limits: TierLimits) -> list[PlannedBasket]:
        session = run.session
        exhausted = exhausted_streams(session.connector.rate_limiter)
        planner = BasketPlanner(
            self._settings, session.catalogs, limits, self._clock.now(), exhausted=exhausted
        )
        return await planner.plan_all(run.baskets)

    async def _fetch(self, runs: Sequence[SourceRun]) -> list[RunResult]:
        """Fetch the sources concurrently; the baskets of one source in turn, with its one connector."""
        async with PageWriters() as page_writers:
            fetched = await gather_fail_fast(*(self._fetch_source(run, page_writers) for run in runs))
        by_basket = {result.basket: result for results in fetched for result in results}
        return [by_basket[basket.name] for basket in self._baskets]

    async def _fetch_source(self, run: SourceRun, page_writers: PageWriters) -> list[RunResult]:
        if run.error is None:
            results = [await self._fetch_basket(run, planned, page_writers) for planned in run.planned]
        else:
            results = [self._record_not_run(run, basket, run.error) for basket in run.baskets]
        rejected_key = None if run.session.blocked_by_breaker else run.session.key
        await self._auth_breaker.report_failures(results, rejected_key)
        return results

    async def _fetch_basket(
        self, run: SourceRun, planned: PlannedBasket, page_writers: PageWriters
    ) -> RunResult:
        if error := planned.error or run.over_quota.get(planned.basket.name):
            return self._record_not_run(run, planned.basket, error)
        extractor = BasketExtractor(
            self._paths,
            planned,
            run.session,
            page_writers=page_writers,
            clock=self._clock,
            progress=self._progress,
            sent_before=run.requests_billed,
        )
        try:
            result = await extractor.run()
        except (FloorlineError, OSError):
            raise
        except Exception as error:  # noqa: BLE001 - its landing stays as that of an interrupted run
            return self._record_not_run(run, planned.basket, Unforeseen.of(error, run.session.name))
        run.bill_requests()
        return result

    def _record_not_run(self, run: SourceRun, basket: BasketSettings, error: SourceError) -> RunResult:
        """Land a run that ended before its first price request, so that it is loaded and visible, too."""
        now = self._clock.now()
        header = new_run_header(basket, now)
        result = RunResult(
            run_id=header.run_id,
            basket=basket.name,
            source=basket.source,
            state=run_state(error, complete=False),
            requests=run.bill_requests(),
            pages=0,
            error=error,
            incomplete_reason=str(error),
            key_tail=run.session.key_tail,
            clock_skew=run.session.clock_skew,
            catalogs=run.session.take_catalog_reports(),
        )
        with LandingWriter(self._paths.landing, header) as landing:
            landing.finish(
                result.state,
                finished_at=now,
                requests=result.requests,
                incomplete_reason=result.incomplete_reason,
                request_id=error.request_id or None,
            )
        return result
