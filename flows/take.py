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

from connectors.auth import Key
from connectors.base import Account, Connector
from connectors.clock import Clock, SystemClock
from connectors.errors import ConfigError, FloorlineError, QuotaExhausted
from connectors.terms import terms_of
from flows.alarm import Alarm
from flows.allowance import refusals, spent_streams
from flows.baskets import Planning, Prepared
from flows.catalogs import Catalogs
from flows.config import AnySource, BasketSettings, Settings
from flows.entrance import enter
from flows.fetch import BasketFetch, FetchShard, Wrap, new_run_id
from flows.loading import load_and_publish
from flows.presses import Presses
from flows.progress import Progress, Silent
from flows.results import RunResult, state_of, with_load
from flows.sources import connect
from flows.together import together
from warehouse.errors import WarehouseError
from warehouse.home import Home
from warehouse.landing import Landing, RunHeader
from warehouse.load import LoadReport

STOPPING: Final = 5.0

Settle = Callable[[], Awaitable[Sequence[LoadReport]]]
WrapSettle = Callable[[Settle], Settle]


def unwrapped(_label: str, fetch: FetchShard) -> FetchShard:
    """The fetch of a shard as it is."""
    return fetch


def settled_here(step: Settle) -> Settle:
    """The loading as it is."""
    return step


@dataclasses.dataclass(slots=True)
class Desk:
    """One source during a snapshot: its connector, catalogs and baskets, and the error that stopped it."""

    source: str
    baskets: list[BasketSettings]
    connector: Connector | None = None
    catalogs: Catalogs | None = None
    prepared: list[Prepared] = dataclasses.field(default_factory=list)
    error: FloorlineError | None = None
    beyond: dict[str, QuotaExhausted] = dataclasses.field(default_factory=dict)  # what does not fit the month
    key: Key | None = None
    refused: bool = False  # by the breaker: the source was not asked
    charged: int = 0  # requests that a run already accounts for; the account's own costs nothing

    @property
    def key_tail(self) -> str:
        """The last characters of the key, if it is known and long enough to show them."""
        return self.key.tail if self.key is not None else ""


class Snapshot:
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
        self._progress = progress or Silent()
        self.home = Home(Path(settings.root))

    async def run(self, wrap: Wrap = unwrapped, wrap_settle: WrapSettle = settled_here) -> list[RunResult]:
        """Take it. One result a basket, in the order of the configuration.

        A source that fails leaves the others alone; what failed is in the results. Raises ConfigError before
        any price is asked for, and WarehouseError with everything landed.
        """
        self.home.prepare()
        self.home.ensure_room(int(self._settings.warehouse.least_free))
        self._alarm = Alarm(self._settings, self._clock)
        desks = self._desks()
        try:
            await self._open(desks)
            results = await self._fetch(desks, wrap)
        except Exception:
            raise
        except BaseException:  # cancelled, or the exception that Prefect makes of SIGTERM
            # in place: whoever stops us waits for the end of this process, and of nothing else in it
            with contextlib.suppress(WarehouseError):
                load_and_publish(self._settings, [], self._clock, patience=patience())
            raise
        finally:
            await self._close(desks)
        loads = await wrap_settle(
            lambda: asyncio.to_thread(load_and_publish, self._settings, results, self._clock)
        )()
        by_run = {load.run_id: load for load in loads}
        return [with_load(result, by_run.get(result.run_id)) for result in results]

    def _desks(self) -> list[Desk]:
        names = dict.fromkeys(basket.source for basket in self._baskets)
        return [Desk(name, [basket for basket in self._baskets if basket.source == name]) for name in names]

    async def _open(self, desks: Sequence[Desk]) -> None:
        """Prove every key and plan every basket, before the first price. Raises ConfigError."""
        await together(*(self._open_one(desk) for desk in desks))

    async def _open_one(self, desk: Desk) -> None:
        try:
            source = self._settings.sources[desk.source]
            attempt = partial(self._prove, desk, source)
            account = await enter(desk.source, source, self._settings.base, self._alarm, attempt)
            assert desk.connector is not None  # noqa: S101 - as just proved; for the type checker
            desk.charged = desk.connector.requests
            desk.catalogs = Catalogs(self.home.catalog, desk.connector, self._clock)
            terms = terms_of(source.tier, account, source.kind)
            spent = spent_streams(desk.connector.budget)
            planning = Planning(self._settings, desk.catalogs, terms, self._clock.now(), spent=spent)
            desk.prepared = await planning.baskets(desk.baskets)
            desk.beyond = {} if self._force else refusals(desk.prepared, desk.connector.budget.month())
        except ConfigError:
            raise
        except FloorlineError as error:
            desk.error = error

    async def _prove(self, desk: Desk, source: AnySource, key: Key) -> Account:
        """Have the source accept a key, unless the breaker keeps it back; the desk is left with both."""
        desk.key, desk.refused = key, True
        self._alarm.admit(desk.source, key)
        desk.refused = False
        if desk.connector is not None:
            await desk.connector.aclose()
        desk.connector = connect(desk.source, source, key, self._clock, state=self.home.state)
        account = await desk.connector.account()
        self._alarm.accepted(desk.source)
        return account

    async def _fetch(self, desks: Sequence[Desk], wrap: Wrap) -> list[RunResult]:
        """Sources side by side; the baskets of one source one after another, on its one connector."""
        async with Presses() as presses:
            fetched = await together(*(self._fetch_source(desk, presses, wrap) for desk in desks))
        by_basket = {result.basket: result for results in fetched for result in results}
        return [by_basket[basket.name] for basket in self._baskets]

    async def _fetch_source(self, desk: Desk, presses: Presses, wrap: Wrap) -> list[RunResult]:
        results = await self._results(desk, presses, wrap)
        await self._alarm.sound(results, None if desk.refused else desk.key)
        return results

    async def _results(self, desk: Desk, presses: Presses, wrap: Wrap) -> list[RunResult]:
        if desk.error is not None or desk.connector is None or desk.catalogs is None:
            sent = desk.connector.requests if desk.connector else 0
            first, *others = desk.baskets
            refused = [self._not_run(desk, basket, desk.error, 0) for basket in others]
            return [self._not_run(desk, first, desk.error, sent), *refused]
        return [await self._fetch_basket(desk, prepared, presses, wrap) for prepared in desk.prepared]

    async def _fetch_basket(self, desk: Desk, prepared: Prepared, presses: Presses, wrap: Wrap) -> RunResult:
        assert desk.connector is not None  # noqa: S101 - as checked by the caller; for the type checker
        assert desk.catalogs is not None  # noqa: S101
        before, desk.charged = desk.charged, desk.connector.requests
        beyond = desk.beyond.get(prepared.basket.name)
        if beyond is not None:
            return self._not_run(desk, prepared.basket, beyond, desk.charged - before)
        fetch = BasketFetch(
            *(self.home, prepared, desk.connector, desk.catalogs),
            presses=presses,
            clock=self._clock,
            progress=self._progress,
            sent_before=before,
        )
        result = await fetch.run(self.flow, wrap)
        desk.charged = desk.connector.requests
        return dataclasses.replace(result, key_tail=desk.key_tail)

    def _not_run(
        self, desk: Desk, basket: BasketSettings, error: FloorlineError | None, requests: int
    ) -> RunResult:
        """A run that ended before its first price is a run all the same: it is landed, loaded and seen."""
        now = self._clock.now()
        header = RunHeader(
            new_run_id(now), self.flow, desk.source, basket.name, now, int(basket.every.total_seconds())
        )
        state = state_of(error, complete=False)
        with Landing(self.home.landing, header) as landing:
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

    async def _close(self, desks: Sequence[Desk]) -> None:
        for desk in desks:
            if desk.connector is not None:
                await desk.connector.aclose()


def patience() -> float:
    """Seconds that a run which is being stopped waits for another loader; none if it was told to twice.

    asyncio makes a cancellation of the first Ctrl-C, and leaves the second one what it is.
    """
    task = asyncio.current_task()
    twice = isinstance(sys.exception(), KeyboardInterrupt) or (task is not None and task.cancelling() > 1)
    return 0.0 if twice else STOPPING
