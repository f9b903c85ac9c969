"""A backfill from end to end: open, plan, walk in legs, load, tell. Knows no scheduler.

What was fetched once is not paid for again: the landings and `state.db` tell what is held, and how far each
shard was when a run ended, however it did.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from typing import Final

from common.clock import Clock, SystemClock
from common.errors import BudgetSpent, ConfigError, SourceError
from common.text import sanitize
from connectors.schemas import provider_keys_by_name
from connectors.tiers import TierLimits
from pipelines.alerts.auth_breaker import AuthBreaker
from pipelines.alerts.rules import CONTRACT
from pipelines.backfill.extraction import BackfillCancelled, ShardExtractor
from pipelines.backfill.limits import allowed_window, resolve_request
from pipelines.backfill.micro_batches import MicroBatchWriter
from pipelines.backfill.plan import (
    BackfillPlan,
    PriorProgress,
    effective_window,
    expand_aggregates,
    plan_backfill,
)
from pipelines.backfill.progress import BackfillProgress, NullBackfillProgress
from pipelines.backfill.request import BackfillRequest
from pipelines.backfill.results import STOPPED, BackfillOutcome, BackfillResult, build_result, summarize_loads
from pipelines.backfill.session import BackfillSession, resolve_source
from pipelines.catalogs import CatalogCache
from pipelines.config import Settings
from pipelines.loading import load_and_publish, load_before_exit
from pipelines.results import DONE, RunResult, run_state
from warehouse.paths import WarehousePaths
from warehouse.state.alerts import Alert, AlertStore
from warehouse.state.backfill_rows import BackfillRecord as Record
from warehouse.state.backfills import BackfillStore
from warehouse.state.recovery import recover_progress

MICRO_BATCH_SECONDS: Final = 90.0  # seconds for which pages land together
RESUMABLE_STATES: Final = frozenset({"running", "stopped", "incomplete"})
CANCELLED: Final = "cancelled"
UNKNOWN_PROVIDERS_HINT: Final = "Their rows are kept as rejects: `floorline rejects list` shows them."
OnPlan = Callable[[BackfillPlan], object]


class BackfillPipeline:
    """One run of what `request` asks for; an earlier one that did not come to its end goes on.

    `announce` hears the plan before the first page is asked for; `leg` is for how many seconds pages land
    together, before they are loaded.
    """

    def __init__(
        self,
        settings: Settings,
        request: BackfillRequest,
        clock: Clock | None = None,
        progress: BackfillProgress | None = None,
        *,
        announce: OnPlan = lambda _plan: None,
        leg: float = MICRO_BATCH_SECONDS,
    ) -> None:
        self._settings = settings
        self._name = resolve_source(settings, request.source)
        self._request = request.model_copy(update={"source": self._name})
        self._clock = clock or SystemClock()
        self._progress = progress or NullBackfillProgress()
        self._announce = announce
        self._leg = leg
        self.home = WarehousePaths(settings.root)

    async def plan(self) -> BackfillPlan:
        """What a run would fetch, and at what cost, without spending anything of the month.

        Raises ConfigError for what cannot be asked for, or planned without asking, and what the account does.
        """
        self._prepare()
        async with BackfillSession(self._settings, self._name, self._clock) as past:
            terms = await past.open(self._alarm)
            return await self._plan_rest(past, terms, past.cached_catalogs, self._find_running())

    async def run(self) -> BackfillResult:
        """Fetch it, load it and say what came of it.

        Raises ConfigError before anything is asked for, BackfillBusy where another process runs the same, and
        WarehouseError with everything landed.
        """
        self._prepare()
        self.home.ensure_free_space(int(self._settings.warehouse.least_free))
        with contextlib.ExitStack() as held:
            record = self._find_running()
            if record is not None:
                held.enter_context(self._books.lock(record.backfill_id))
                record = recover_progress(self.home, self._books, record.backfill_id)
            async with BackfillSession(self._settings, self._name, self._clock) as past:
                return await self._run(past, record, held)

    def _prepare(self) -> None:
        self.home.prepare()
        self._alarm = AuthBreaker(self._settings, self._clock)
        self._books = BackfillStore(self.home.state, self._clock.now)

    def _find_running(self) -> Record | None:
        found = self._books.find_latest(self._request.digest)
        return found if found is not None and found.state in RESUMABLE_STATES else None

    async def _run(
        self, past: BackfillSession, record: Record | None, held: contextlib.ExitStack
    ) -> BackfillResult:
        try:
            terms = await past.open(self._alarm)
            if self._request.budget is not None:
                past.connector.rate_limiter.set_budget(self._request.budget)
            catalogs = past.catalogs
            plan = await self._plan_rest(past, terms, catalogs, record)
            names = provider_keys_by_name(await catalogs.providers())
        except ConfigError:
            raise
        except SourceError as error:
            return await self._fail_early(past, record, error)
        self._announce(plan)
        if not plan.shards and record is None:
            return await self._conclude(past, None, BackfillOutcome(DONE))
        begun = self._open_record(plan, record, held)
        legs = MicroBatchWriter(
            self._settings,
            self._name,
            begun.backfill_id,
            self._clock,
            sent=lambda: past.requests,
            seconds=self._leg,
        )
        with legs:
            legs.land_catalogs(catalogs.fetched)
            ended = await self._extract(past, begun, terms, names, legs)
            return await self._conclude(past, begun, ended, legs)

    async def _plan_rest(
        self, past: BackfillSession, terms: TierLimits, catalogs: CatalogCache, record: Record | None
    ) -> BackfillPlan:
        """Check what is asked for, then plan what of it is missing. Raises ConfigError."""
        now = self._clock.now()
        span = effective_window(self._request, terms, now, begun=record is not None)
        chosen = await resolve_request(self._request, self._settings.base, catalogs)
        if any(item.item_id is None for item in chosen.items or ()):
            chosen = expand_aggregates(chosen, await catalogs.items())
        request = self._request
        held = self._books.load_coverage(self._name, request.series, chosen.currency, request.interval)
        shards = [] if record is None else self._books.list_shards(record.backfill_id)
        known = PriorProgress(held, record, shards)
        month = past.connector.rate_limiter.month_usage()
        return plan_backfill(request, span, chosen, known, terms=terms, month=month, now=now)

    def _open_record(self, plan: BackfillPlan, record: Record | None, held: contextlib.ExitStack) -> Record:
        """The record of what is begun or taken up again, for nobody else to run meanwhile."""
        if record is not None:
            self._books.add_shards(record.backfill_id, plan.asks)
            return self._books.resume(record.backfill_id)
        made = self._books.begin_or_find(
            self._request.digest,
            series=self._request.series,
            source=self._name,
            request=self._request.model_dump(mode="json"),
            cost=(plan.at_least, plan.at_most),
            shards=plan.asks,
        )
        held.enter_context(self._books.lock(made.backfill_id))
        return made

    async def _extract(
        self,
        past: BackfillSession,
        record: Record,
        terms: TierLimits,
        names: Mapping[str, str],
        legs: MicroBatchWriter,
    ) -> BackfillOutcome:
        """Walk what is left of it. Raises WarehouseError; where it is stopped, what arrived is loaded."""
        request = self._request
        walks = ShardExtractor(
            record,
            self._books.list_shards(record.backfill_id),
            self._books,
            past.connector,
            names,
            legs=legs,
            clock=self._clock,
            progress=self._progress,
            kept_since=lambda: (
                allowed_window(request.series, request.interval, terms, self._clock.now()).since
            ),
            at_once=self._settings.sources[self._name].concurrency,
        )
        try:
            error = await walks.run()
        except BackfillCancelled:
            return BackfillOutcome(CANCELLED, brought=walks.brought)
        except Exception:
            raise
        except BaseException:  # cancelled, or the exception that Prefect makes of SIGTERM
            legs.finish(CANCELLED, "stopped")
            self._books.finish(record.backfill_id, "stopped", "stopped")
            load_before_exit(self._settings, self._clock)
            raise
        state = STOPPED if isinstance(error, BudgetSpent) else None
        state = state or run_state(error, complete=not walks.brought.broken)
        return BackfillOutcome(state, error, walks.brought)

    async def _fail_early(
        self, past: BackfillSession, record: Record | None, error: SourceError
    ) -> BackfillResult:
        """What ended it before its first page."""
        state = STOPPED if isinstance(error, BudgetSpent) else run_state(error, complete=False)
        return await self._conclude(past, record, BackfillOutcome(state, error))

    async def _conclude(
        self,
        past: BackfillSession,
        record: Record | None,
        ended: BackfillOutcome,
        legs: MicroBatchWriter | None = None,
    ) -> BackfillResult:
        """Say how it ended, raise what must be known, load the rest."""
        if legs is not None:
            legs.finish(None if ended.error is None else ended.state, ended.reason)
            await legs.wait_for_loads()
        if record is not None:
            kept = ended.state if ended.state in {DONE, "incomplete"} else "stopped"
            record = self._books.finish(record.backfill_id, kept, ended.reason)
        run = self._as_run(past, record, ended)
        self._alert_unknown_providers(ended)
        await self._alarm.report_failures([run], None if past.blocked_by_breaker else past.key)
        await asyncio.to_thread(load_and_publish, self._settings, [run], self._clock)
        runs = legs.runs if legs is not None else ()
        return build_result(run, self._request.series, record, ended, summarize_loads(self.home, runs))

    def _as_run(self, past: BackfillSession, record: Record | None, ended: BackfillOutcome) -> RunResult:
        """The whole as one run, for the alerts that it raises and resolves.

        A shard that broke is told by the result and no alert: nobody has to wait for the next slot.
        """
        return RunResult(
            run_id="",
            basket=record.backfill_id if record else "",
            source=self._name,
            state=DONE if ended.state == "incomplete" else ended.state,
            requests=past.requests,
            pages=ended.brought.pages,
            error=ended.error,
            quota_remaining=past.quota_remaining,
            unknown_fields=dict(ended.brought.unknown_fields),
            key_tail=past.key_tail,
        )

    def _alert_unknown_providers(self, ended: BackfillOutcome) -> None:
        """One alert for all providers that the API told of and its list does not know."""
        if ended.brought.strangers:
            told = "; ".join(f"{reason} ({rows:,} rows)" for reason, rows in ended.brought.strangers.items())
            alert = Alert(
                CONTRACT, self._name, "providers", sanitize(told, 1000), guidance=UNKNOWN_PROVIDERS_HINT
            )
            AlertStore(self.home.state).raise_alert(alert, self._clock.now())
