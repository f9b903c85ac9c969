"""A backfill from end to end: open, plan, walk in legs, load, tell. Knows no scheduler.

What was fetched once is not paid for again: the landings and `state.db` tell what is held, and how far each
shard was when a run ended, however it did.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from typing import Final

from connectors.clock import Clock, SystemClock
from connectors.errors import BudgetSpent, ConfigError, FloorlineError, plain
from connectors.series_frames import provider_keys
from connectors.terms import Terms
from flows.alarm import Alarm
from flows.alerts import CONTRACT
from flows.backfill_legs import Legs
from flows.backfill_limits import allowed, choose
from flows.backfill_plan import BackfillPlan, Known, plan_backfill, shard_ask, wanted, with_ids
from flows.backfill_progress import BackfillProgress, Unwatched
from flows.backfill_request import BackfillRequest
from flows.backfill_results import STOPPED, BackfillResult, Ended, loaded_of, result_of
from flows.backfill_source import Past, source_named
from flows.backfill_walk import GivenUp, Walks
from flows.catalogs import Catalogs
from flows.config import Settings
from flows.loading import load_and_publish
from flows.results import DONE, RunResult, state_of
from flows.take import patience
from warehouse.backfills import Backfill as Record
from warehouse.backfills import Backfills
from warehouse.errors import WarehouseError
from warehouse.home import Home
from warehouse.recover import recover
from warehouse.state import Alert, State

LEG: Final = 90.0  # seconds for which pages land together
UNDER_WAY: Final = frozenset({"running", "stopped", "incomplete"})
CANCELLED: Final = "cancelled"
STRANGERS: Final = "Their rows are kept as rejects: `floorline rejects list` shows them."

Announce = Callable[[BackfillPlan], object]


class Backfill:
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
        announce: Announce = lambda _plan: None,
        leg: float = LEG,
    ) -> None:
        self._settings = settings
        self._name = source_named(settings, request.source)
        self._request = request.model_copy(update={"source": self._name})
        self._clock = clock or SystemClock()
        self._progress = progress or Unwatched()
        self._announce = announce
        self._leg = leg
        self.home = Home(settings.root)

    async def plan(self) -> BackfillPlan:
        """What a run would fetch, and at what cost, without spending anything of the month.

        Raises ConfigError for what cannot be asked for, or planned without asking, and what the account does.
        """
        self._prepare()
        past = Past(self._settings, self._name, self._alarm, self._clock)
        try:
            terms = await past.open()
            return await self._planned(past, terms, past.catalogs(offline=True), self._under_way())
        finally:
            await past.aclose()

    async def run(self) -> BackfillResult:
        """Fetch it, load it and say what came of it.

        Raises ConfigError before anything is asked for, BackfillBusy where another process runs the same, and
        WarehouseError with everything landed.
        """
        self._prepare()
        self.home.ensure_room(int(self._settings.warehouse.least_free))
        past = Past(self._settings, self._name, self._alarm, self._clock)
        with contextlib.ExitStack() as held:
            record = self._under_way()
            if record is not None:
                held.enter_context(self._books.hold(record.backfill_id))
                record = recover(self.home, self._books, record.backfill_id)
            try:
                return await self._run(past, record, held)
            finally:
                await past.aclose()

    def _prepare(self) -> None:
        self.home.prepare()
        self._alarm = Alarm(self._settings, self._clock)
        self._books = Backfills(self.home.state, self._clock.now)

    def _under_way(self) -> Record | None:
        found = self._books.latest(self._request.digest)
        return found if found is not None and found.state in UNDER_WAY else None

    async def _run(self, past: Past, record: Record | None, held: contextlib.ExitStack) -> BackfillResult:
        try:
            terms = await past.open(self._request.budget)
            catalogs = past.catalogs()
            plan = await self._planned(past, terms, catalogs, record)
            names = provider_keys(await catalogs.providers())
        except ConfigError:
            raise
        except FloorlineError as error:
            return await self._refused(past, record, error)
        self._announce(plan)
        if not plan.shards and record is None:
            return await self._concluded(past, None, Ended(DONE))
        begun = self._begun(plan, record, held)
        legs = Legs(
            self._settings,
            self._name,
            begun.backfill_id,
            self._clock,
            sent=lambda: past.requests,
            seconds=self._leg,
        )
        with legs:
            legs.keep(catalogs.fetched)
            ended = await self._walked(past, begun, terms, names, legs)
            return await self._concluded(past, begun, ended, legs)

    async def _planned(
        self, past: Past, terms: Terms, catalogs: Catalogs, record: Record | None
    ) -> BackfillPlan:
        """Check what is asked for, then plan what of it is missing. Raises ConfigError."""
        now = self._clock.now()
        span = wanted(self._request, terms, now, begun=record is not None)
        chosen = await choose(self._request, self._settings.base, catalogs)
        if any(item.item_id is None for item in chosen.items or ()):
            chosen = with_ids(chosen, await catalogs.items())
        request = self._request
        held = self._books.coverage(self._name, request.series, chosen.currency, request.interval)
        shards = [] if record is None else self._books.shards(record.backfill_id)
        known = Known(held, record, shards)
        month = past.connector.budget.month()
        return plan_backfill(request, span, chosen, known, terms=terms, month=month, now=now)

    def _begun(self, plan: BackfillPlan, record: Record | None, held: contextlib.ExitStack) -> Record:
        """The record of what is begun or taken up again, for nobody else to run meanwhile."""
        asks = [shard_ask(ask) for ask in plan.asks]
        if record is not None:
            self._books.add_shards(record.backfill_id, asks)
            return self._books.resume(record.backfill_id)
        made = self._books.open(
            self._request.digest,
            series=self._request.series,
            source=self._name,
            request=self._request.model_dump(mode="json"),
            cost=(plan.at_least, plan.at_most),
            shards=asks,
        )
        held.enter_context(self._books.hold(made.backfill_id))
        return made

    async def _walked(
        self, past: Past, record: Record, terms: Terms, names: Mapping[str, str], legs: Legs
    ) -> Ended:
        """Walk what is left of it. Raises WarehouseError; where it is stopped, what arrived is loaded."""
        request = self._request
        walks = Walks(
            record,
            self._books.shards(record.backfill_id),
            self._books,
            past.connector,
            names,
            legs=legs,
            clock=self._clock,
            progress=self._progress,
            kept_since=lambda: allowed(request.series, request.interval, terms, self._clock.now()).since,
            at_once=self._settings.sources[self._name].concurrency,
        )
        try:
            error = await walks.run()
        except GivenUp:
            return Ended(CANCELLED, brought=walks.brought)
        except Exception:
            raise
        except BaseException:  # cancelled, or the exception that Prefect makes of SIGTERM
            legs.finish(CANCELLED, "stopped")
            self._books.finish(record.backfill_id, "stopped", "stopped")
            # in place: whoever stops us waits for the end of this process, and of nothing else in it
            with contextlib.suppress(WarehouseError):
                load_and_publish(self._settings, [], self._clock, patience=patience())
            raise
        state = STOPPED if isinstance(error, BudgetSpent) else None
        state = state or state_of(error, complete=not walks.brought.broken)
        return Ended(state, error, walks.brought)

    async def _refused(self, past: Past, record: Record | None, error: FloorlineError) -> BackfillResult:
        """What ended it before its first page."""
        state = STOPPED if isinstance(error, BudgetSpent) else state_of(error, complete=False)
        return await self._concluded(past, record, Ended(state, error))

    async def _concluded(
        self, past: Past, record: Record | None, ended: Ended, legs: Legs | None = None
    ) -> BackfillResult:
        """Say how it ended, raise what must be known, load the rest."""
        if legs is not None:
            legs.finish(None if ended.error is None else ended.state, ended.reason)
            await legs.settled()
        if record is not None:
            kept = ended.state if ended.state in {DONE, "incomplete"} else "stopped"
            record = self._books.finish(record.backfill_id, kept, ended.reason)
        run = self._as_run(past, record, ended)
        self._tell_strangers(ended)
        await self._alarm.sound([run], None if past.refused else past.key)
        await asyncio.to_thread(load_and_publish, self._settings, [run], self._clock)
        runs = legs.runs if legs is not None else ()
        return result_of(run, self._request.series, record, ended, loaded_of(self.home, runs))

    def _as_run(self, past: Past, record: Record | None, ended: Ended) -> RunResult:
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
            quota_remaining=past.left,
            unknown_fields=dict(ended.brought.unknown_fields),
            key_tail=past.key_tail,
        )

    def _tell_strangers(self, ended: Ended) -> None:
        """One alert for all providers that the API told of and its list does not know."""
        if ended.brought.strangers:
            told = "; ".join(f"{reason} ({rows:,} rows)" for reason, rows in ended.brought.strangers.items())
            alert = Alert(CONTRACT, self._name, "providers", plain(told, 1000), guidance=STRANGERS)
            State(self.home.state).raise_alert(alert, self._clock.now())
