"""The status of a warehouse: the last runs of its baskets, quotas, alerts, and what is not loaded."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from common.clock import MAX_CLOCK_SKEW
from pipelines.config import BasketSettings, Settings
from pipelines.planning.quota import MonthUsageReport, active_holds, month_usage
from warehouse.landing.inventory import Landing, pending_landings
from warehouse.landing.model import SetAsideLanding
from warehouse.landing.reader import CorruptLanding
from warehouse.landing.set_aside import find_set_aside
from warehouse.loading.rejects import UNUSABLE
from warehouse.published import published_at
from warehouse.queries.runner import LAST_RUNS, run_query, set_aside_baskets
from warehouse.state.alerts import Alert, read_alerts
from warehouse.state.database import open_state
from warehouse.state.ticks import MissedTick, read_ticks

LATE_AFTER: Final = 3  # intervals


@dataclasses.dataclass(frozen=True, slots=True)
class UpStatus:
    """A running `floorline up`: its page, the id of its process, and its start (UTC).

    `pool_paused` is whether somebody paused the work pool, so that no run starts.
    """

    page: str
    process_id: int | None
    started_at: datetime | None
    pool_paused: bool


@dataclasses.dataclass(frozen=True, slots=True)
class BasketStatus:
    """The last runs of a basket; the counts are of the last run, and None before the first one.

    `age` is the time since `last_success` (UTC), `late` whether it is longer than three intervals; both are
    None before the first success. `state` is that of the last run, or "never ran". `missed` are the scheduled
    runs since the last success that took nothing.
    """

    basket: str
    source: str
    last_success: datetime | None
    age: timedelta | None
    every: timedelta
    state: str
    rows_fetched: int | None = None
    rows_changed: int | None = None
    requests: int | None = None
    missed: tuple[MissedTick, ...] = ()

    @property
    def late(self) -> bool | None:
        """Whether the last success is older than three intervals."""
        return None if self.age is None else self.age > LATE_AFTER * self.every


@dataclasses.dataclass(frozen=True, slots=True)
class StatusReport:
    """What `floorline status` prints: last runs, open alerts, landings that are not loaded, quotas.

    Times are UTC. `landings_aside` are the landings that are set aside. `holds` says until when a source
    asked to send nothing, by source; `set_aside` are the baskets whose last landing could not be loaded, each
    with its source. `up` is a running `floorline up`. `missed` are scheduled runs that took nothing.
    """

    runs: Sequence[dict[str, Any]]
    alerts: Sequence[Alert]
    pending: Sequence[Landing]
    landings_aside: Sequence[SetAsideLanding]
    published_at: datetime | None
    now: datetime
    months: Sequence[MonthUsageReport] = ()
    holds: Mapping[str, datetime] = dataclasses.field(default_factory=dict)
    set_aside: Collection[tuple[str, str]] = ()
    up: UpStatus | None = None
    missed: Sequence[MissedTick] = ()

    def baskets(self, settings: Settings) -> list[BasketStatus]:
        """Return the status of each basket of the configuration."""
        last = {(run["basket"], run["source"]): run for run in self.runs}
        return [self._basket(basket, last.get((basket.name, basket.source))) for basket in settings.baskets]

    def _basket(self, basket: BasketSettings, run: Mapping[str, Any] | None) -> BasketStatus:
        unusable = (basket.name, basket.source) in self.set_aside
        if run is None:
            state = UNUSABLE if unusable else "never ran"
            missed = self._missed(basket, None)
            return BasketStatus(basket.name, basket.source, None, None, basket.every, state, missed=missed)
        success = run["last_success"]
        return BasketStatus(
            basket.name,
            basket.source,
            success,
            self.now - success if success else None,
            basket.every,
            UNUSABLE if unusable else run["last_state"],
            rows_fetched=run["rows_fetched"],
            rows_changed=run["rows_changed"],
            requests=run["requests"],
            missed=self._missed(basket, success),
        )

    def _missed(self, basket: BasketSettings, since: datetime | None) -> tuple[MissedTick, ...]:
        own = (tick for tick in self.missed if tick.basket == basket.name)
        return tuple(tick for tick in own if since is None or tick.due_at > since)


def read_status(settings: Settings, now: datetime, up: UpStatus | None = None) -> StatusReport:
    """Return the status of the warehouse at `now` (UTC). Raises WarehouseError."""
    paths = settings.paths
    newest = published_at(paths)
    corrupt: list[CorruptLanding] = []
    pending = pending_landings(paths.landing, corrupt.append)
    return StatusReport(
        runs=run_query(paths, LAST_RUNS, {"latest": now + MAX_CLOCK_SKEW}).records()
        if newest is not None
        else [],
        alerts=read_alerts(open_state(paths), open_only=True),
        pending=pending,
        landings_aside=[
            *find_set_aside(paths),
            *(SetAsideLanding(error.folder.name, error.reason) for error in corrupt),
        ],
        set_aside=set_aside_baskets(paths),
        published_at=newest,
        now=now,
        months=month_usage(settings, now),
        holds=active_holds(settings, now),
        up=up,
        missed=read_ticks(open_state(paths)),
    )
