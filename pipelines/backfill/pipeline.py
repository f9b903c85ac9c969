"""The backfill pipeline, from end to end: open, plan, extract, land, load, report. Knows no scheduler.

Nothing is fetched twice: the landings and `state.db` record the complete time ranges and the checkpoint of
each shard, however the last run ended.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Final

from common.clock import Clock, SystemClock
from common.errors import ConfigError, SourceError
from common.text import sanitize
from connectors.schemas import provider_keys_by_name
from connectors.tiers import TierLimits
from pipelines.alerts.auth_breaker import AuthBreaker
from pipelines.alerts.rules import CONTRACT
from pipelines.backfill.densities import Densities, read_densities
from pipelines.backfill.extraction import BackfillCancelled, ShardExtractor
from pipelines.backfill.limits import ResolvedRequest, allowed_window, resolve_request
from pipelines.backfill.micro_batches import MicroBatchWriter
from pipelines.backfill.missing import PriorProgress
from pipelines.backfill.plan import (
    BackfillPlan,
    effective_window,
    expand_aggregates,
    plan_backfill,
)
from pipelines.backfill.progress import BackfillProgress, NullBackfillProgress
from pipelines.backfill.request import BackfillRequest
from pipelines.backfill.results import BackfillOutcome, BackfillResult, build_result, summarize_loads
from pipelines.backfill.session import BackfillSession, resolve_source
from pipelines.catalogs import CatalogCache
from pipelines.config import Settings
from pipelines.descriptors import limit_connections
from pipelines.exit_codes import DONE
from pipelines.loading import load_before_exit, load_in_thread
from pipelines.planning.estimate import LazySource
from pipelines.preparation import prepare_warehouse
from pipelines.results import RunResult
from warehouse.state.alerts import Alert, AlertStore
from warehouse.state.backfill_rows import BackfillRecord
from warehouse.state.backfills import BackfillStore
from warehouse.state.database import open_state
from warehouse.state.recovery import recover_progress

MICRO_BATCH_SECONDS: Final = 90.0
RESUMABLE_STATES: Final = frozenset({"running", "stopped", "incomplete"})
CANCELLED: Final = "cancelled"
UNKNOWN_PROVIDERS_HINT: Final = "Their rows are kept as rejects: `floorline rejects list` shows them."
OnPlan = Callable[[BackfillPlan], object]


class BackfillPipeline:
    """One run of the backfill that `request` describes; the run resumes an unfinished one.

    `on_plan` is called with the plan before the first page is requested. `micro_batch_seconds` is how long a
    micro-batch takes pages before it is loaded.
    """

    def __init__(
        self,
        settings: Settings,
        request: BackfillRequest,
        clock: Clock | None = None,
        *,
        progress: BackfillProgress | None = None,
        on_plan: OnPlan = lambda _plan: None,
        micro_batch_seconds: float = MICRO_BATCH_SECONDS,
    ) -> None:
        self._source = resolve_source(settings, request.source)
        self._settings = limit_connections(settings, {self._source})
        self._request = request.model_copy(update={"source": self._source})
        self._clock = clock or SystemClock()
        self._progress = progress or NullBackfillProgress()
        self._on_plan = on_plan
        self._micro_batch_seconds = micro_batch_seconds
        self._paths = settings.paths

    async def plan(self) -> BackfillPlan:
        """Return what a run would fetch, and at what cost, without using any of the month's quota.

        Raises ConfigError for a request that is not allowed or needs a catalog that is not cached, and what
        the authentication raises.
        """
        self._prepare()
        offline = LazySource(self._settings, self._source, self._clock, offline=True)
        catalogs = CatalogCache(self._paths.catalog, offline, self._clock, lifetime=timedelta.max)
        async with self._session:
            limits = await self._session.open(self._breaker)
            return await self._plan_missing(limits, catalogs, self._find_resumable())

    async def run(self) -> BackfillResult:
        """Fetch and load the missing data and return the result.

        Raises ConfigError before any paid request, BackfillBusy if another process runs the same backfill,
        and WarehouseError after everything is landed.
        """
        self._prepare()
        self._paths.ensure_free_space(int(self._settings.warehouse.least_free))
        with contextlib.ExitStack() as locks:
            record = self._find_resumable()
            if record is not None:
                locks.enter_context(self._backfills.lock(record.backfill_id))
                record = recover_progress(self._paths, self._backfills, record.backfill_id)
            async with self._session:
                return await self._run(record, locks)

    def _prepare(self) -> None:
        prepare_warehouse(self._settings, self._clock.now())
        self._session = BackfillSession(self._settings, self._source, self._clock)
        self._breaker = AuthBreaker(self._settings, self._clock)
        self._backfills = BackfillStore(self._paths, self._clock.now)

    def _find_resumable(self) -> BackfillRecord | None:
        record = self._backfills.find_latest(self._request.digest)
        return record if record is not None and record.state in RESUMABLE_STATES else None

    async def _run(self, record: BackfillRecord | None, locks: contextlib.ExitStack) -> BackfillResult:
        try:
            limits = await self._session.open(self._breaker)
            if self._request.budget is not None:
                self._session.connector.rate_limiter.set_budget(self._request.budget)
            catalogs = self._session.catalogs
            plan = await self._plan_missing(limits, catalogs, record)
            providers = provider_keys_by_name(await catalogs.providers())
        except ConfigError:  # a wrong request has no result
            raise
        except SourceError as error:
            return await self._conclude(record, BackfillOutcome.from_run(error))
        self._on_plan(plan)
        if not plan.shards and record is None:
            return await self._conclude(None, BackfillOutcome(DONE))
        record = self._open_record(plan, record, locks)
        with MicroBatchWriter(
            self._settings,
            self._source,
            record.backfill_id,
            clock=self._clock,
            requests_sent=lambda: self._session.requests,
            seconds=self._micro_batch_seconds,
        ) as micro_batches:
            micro_batches.land_catalogs(catalogs.fetched)
            outcome = await self._extract(record, micro_batches, limits=limits, providers=providers)
            return await self._conclude(record, outcome, micro_batches)

    async def _plan_missing(
        self, limits: TierLimits, catalogs: CatalogCache, record: BackfillRecord | None
    ) -> BackfillPlan:
        """Check the request, and plan the part of it that is missing. Raises ConfigError."""
        request, now = self._request, self._clock.now()
        window = effective_window(request, limits, now, resumed=record is not None)
        resolved = await resolve_request(request, self._settings.base, catalogs)
        if any(item.item_id is None for item in resolved.items or ()):
            resolved = expand_aggregates(resolved, await catalogs.items())
        covered = self._backfills.load_coverage(
            self._source, request.series, resolved.currency, interval=request.interval
        )
        shards = [] if record is None else self._backfills.list_shards(record.backfill_id)
        return plan_backfill(
            request,
            resolved,
            window,
            prior=PriorProgress(covered, self._read_densities(resolved), record, shards),
            limits=limits,
            month=self._session.connector.rate_limiter.month_usage(),
            now=now,
        )

    def _read_densities(self, resolved: ResolvedRequest) -> Densities:
        return read_densities(
            self._paths,
            self._backfills,
            source=self._source,
            series=self._request.series,
            marketplaces=resolved.marketplaces,
        )

    def _open_record(
        self, plan: BackfillPlan, record: BackfillRecord | None, locks: contextlib.ExitStack
    ) -> BackfillRecord:
        """Resume the record, or create and lock a new one; add the planned shards."""
        if record is not None:
            self._backfills.add_shards(record.backfill_id, plan.new_shards)
            return self._backfills.resume(record.backfill_id)
        record = self._backfills.begin_or_find(
            self._request.digest,
            series=self._request.series,
            source=self._source,
            request=self._request.model_dump(mode="json"),
            cost=(plan.at_least, plan.at_most),
            shards=plan.new_shards,
        )
        locks.enter_context(self._backfills.lock(record.backfill_id))
        return record

    async def _extract(
        self,
        record: BackfillRecord,
        micro_batches: MicroBatchWriter,
        *,
        limits: TierLimits,
        providers: Mapping[str, str],
    ) -> BackfillOutcome:
        """Extract the unfinished shards. An interrupted run loads what it has landed, then re-raises."""
        series, interval = self._request.series, self._request.interval
        extractor = ShardExtractor(
            record,
            self._backfills.list_shards(record.backfill_id),
            self._backfills,
            connector=self._session.connector,
            providers=providers,
            micro_batches=micro_batches,
            clock=self._clock,
            progress=self._progress,
            retention_start=lambda: allowed_window(series, interval, limits, now=self._clock.now()).since,
            concurrency=self._session.source.concurrency,
        )
        try:
            error = await extractor.run()
        except BackfillCancelled:
            return BackfillOutcome(CANCELLED, totals=extractor.totals)
        except Exception:  # the store keeps the state "running", which the next run resumes
            raise
        except BaseException:  # a cancellation, or the exception that Prefect raises on SIGTERM
            micro_batches.finish(CANCELLED, "stopped")
            self._backfills.finish(record.backfill_id, "stopped", "stopped")
            load_before_exit(self._settings, self._clock)
            raise
        return BackfillOutcome.from_run(error, extractor.totals)

    async def _conclude(
        self,
        record: BackfillRecord | None,
        outcome: BackfillOutcome,
        micro_batches: MicroBatchWriter | None = None,
    ) -> BackfillResult:
        """Record how the run ended, raise and resolve alerts, load the rest and return the result."""
        if micro_batches is not None:
            micro_batches.finish(None if outcome.error is None else outcome.state, outcome.reason)
            await micro_batches.wait_for_loads()
        if record is not None:
            state = outcome.state if outcome.state in {DONE, "incomplete"} else "stopped"
            record = self._backfills.finish(record.backfill_id, state, outcome.reason)
        run, session = self._as_run(record, outcome), self._session
        self._alert_unknown_providers(outcome)  # before the load, which delivers the open alerts
        await self._breaker.report_failures([run], None if session.blocked_by_breaker else session.key)
        await load_in_thread(self._settings, [run], self._clock)
        loads = summarize_loads(self._paths, micro_batches.runs if micro_batches is not None else ())
        return build_result(run, self._request.series, record, outcome=outcome, loads=loads)

    def _as_run(self, record: BackfillRecord | None, outcome: BackfillOutcome) -> RunResult:
        """Return the backfill as one run, for the alerts that the run raises and resolves.

        An incomplete backfill counts as done: its broken shards are in the result and raise no alert, because
        the user can retry at any time.
        """
        return RunResult(
            run_id="",
            basket=record.backfill_id if record else "",
            source=self._source,
            state=DONE if outcome.state == "incomplete" else outcome.state,
            requests=self._session.requests,
            pages=outcome.totals.pages,
            error=outcome.error,
            quota_remaining=self._session.quota_remaining,
            unknown_fields=dict(outcome.totals.unknown_fields),
            key_tail=self._session.key_tail,
            clock_skew=self._session.clock_skew,
            catalogs=self._session.take_catalog_reports(),
        )

    def _alert_unknown_providers(self, outcome: BackfillOutcome) -> None:
        """Raise one alert for all providers in the rows that the API's list of providers does not have."""
        counts = outcome.totals.unknown_providers
        if counts:
            text = "; ".join(f"{reason} ({rows:,} rows)" for reason, rows in counts.items())
            alert = Alert(
                cause=CONTRACT,
                source=self._source,
                subject="providers",
                message=sanitize(text, 1000),
                guidance=UNKNOWN_PROVIDERS_HINT,
            )
            AlertStore(open_state(self._paths)).raise_alert(alert, self._clock.now())
