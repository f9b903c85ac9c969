"""The last steps of a run: load the pending landings, raise and resolve alerts, publish, run the watches."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import math
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, TypeVar

import polars as pl

from common.clock import Clock
from common.errors import ConfigError, SourceError
from common.machine_errors import MachineError
from common.warehouse_errors import PublishedUnreadable, WarehouseError
from connectors.cs2cap.contract import BOOK_SIDES
from connectors.cs2cap.parser import parse_rows
from pipelines.alerts.notify import deliver
from pipelines.alerts.rules import raise_alerts
from pipelines.config import Settings
from pipelines.holdings import read_holdings
from pipelines.results import RunResult, with_loads
from pipelines.watches.alerting import check_watches
from pipelines.watches.runner import WatchProcess
from warehouse.holdings import Holding
from warehouse.landing.model import PageMeta
from warehouse.landing.ndjson import LandedRawShard
from warehouse.landing.reader import CorruptLanding
from warehouse.loading.pipeline import load_pending, republish
from warehouse.loading.run import LoadReport
from warehouse.paths import WarehousePaths
from warehouse.state.alerts import Alert, AlertStore
from warehouse.state.database import open_state

SHUTDOWN_GRACE: Final = 5.0
HOLDINGS: Final = "holdings.unreadable"
_T = TypeVar("_T")


def parse_raw_rows(shard: LandedRawShard) -> Iterator[tuple[PageMeta, pl.DataFrame, Mapping[str, int]]]:
    """Parse a shard that was landed as NDJSON: yield its pages in order.

    Each page comes with how many of its rows carry which unknown field. Of a torn shard, the complete pages
    are yielded. Raises CorruptLanding.
    """
    side, rows_seen = BOOK_SIDES[shard.header.deliveries[0]], 0
    try:
        for meta, chunk in shard.chunks():
            parsed = parse_rows([line for line in chunk.split(b"\n") if line.strip()], side, "")
            yield (
                dataclasses.replace(
                    meta,
                    # The chunks of a stream have no offset: count the rows before them.
                    offset=meta.offset if shard.head.paged else rows_seen,
                    rejects=(*meta.rejects, *((reject.reason, reject.raw) for reject in parsed.rejects)),
                ),
                parsed.rows,
                parsed.unknown_fields,
            )
            rows_seen += chunk.count(b"\n")
    except SourceError as error:
        raise CorruptLanding(shard.path.parent, f"{shard.path.name}: {error.detail}") from None


async def load_in_thread(
    settings: Settings, results: Sequence[RunResult], clock: Clock
) -> Sequence[LoadReport]:
    """Load, publish and run the watches in a thread; a caller that is cancelled waits for no watch."""
    process = WatchProcess()
    try:
        return await asyncio.to_thread(load_and_publish, settings, results, clock, process)
    except BaseException:
        process.stop()
        raise


def load_and_publish(
    settings: Settings, results: Sequence[RunResult], clock: Clock, process: WatchProcess | None = None
) -> Sequence[LoadReport]:
    """Load every pending landing as `load_only` does, then run the watches on what was published.

    They run in this process, or in a new one.
    """
    loads = load_only(settings, results, clock, patient=True)
    check_watches(settings, loads[-1].run_id if loads else None, clock, process)
    return loads


def load_only(
    settings: Settings,
    results: Sequence[RunResult],
    clock: Clock,
    *,
    lock_wait: float = math.inf,
    patient: bool = False,
) -> Sequence[LoadReport]:
    """Load every pending landing and publish; raise and resolve alerts between the two; run no watch.

    The alerts are raised and delivered even if nothing can be loaded. Waits for another loader as long as the
    configuration says, and at most `lock_wait` seconds; where it is `patient`, as `load_pending` says. Raises
    WarehouseError; the next call loads what this one could not.
    """
    paths = settings.paths
    alerts = AlertStore(open_state(paths))
    alerts_raised = False

    def on_loaded(loads: Sequence[LoadReport]) -> None:
        nonlocal alerts_raised
        raise_alerts(alerts, with_loads(results, loads), loads, now=clock.now())
        alerts_raised = True

    try:
        return load_pending(
            paths,
            holdings=_read_holdings(settings, alerts, clock),
            now=clock.now,
            keep=settings.warehouse.keep_landings,
            keep_alerts=settings.alerts.keep,
            wait=min(settings.warehouse.lock_wait.total_seconds(), lock_wait),
            patient=patient,
            row_parser=parse_raw_rows,
            on_loaded=on_loaded,
        )
    finally:
        if not alerts_raised:  # a rejected key must be reported even if the database is locked
            on_loaded([])
        deliver(settings, alerts, clock.now())


def _read_holdings(settings: Settings, alerts: AlertStore, clock: Clock) -> Sequence[Holding] | None:
    """Return the holdings to store; None where the stored ones stay: the file cannot be read, with an alert.

    Another machine of a shared warehouse may have a file where this one has none.
    """
    cause = HOLDINGS, "", ""
    if settings.warehouse.holdings is None:
        alerts.resolve_all([cause], clock.now())
        return () if settings.shared is None else None
    try:
        holdings = read_holdings(settings.base / settings.warehouse.holdings)
    except ConfigError as error:
        alerts.raise_alert(Alert(*cause, error.detail), clock.now())
        return None
    alerts.resolve_all([cause], clock.now())
    return holdings


def read_published(paths: WarehousePaths, clock: Clock, query: Callable[[], _T]) -> _T:
    """Return the result of a query of the published copy, which is made anew where it is damaged.

    Raises WarehouseError.
    """
    try:
        return query()
    except PublishedUnreadable:
        republish(paths, clock.now())
        return query()


def load_before_exit(settings: Settings, clock: Clock) -> None:
    """Load what a cancelled run has landed; what cannot be loaded now is left to the next run.

    This blocks the event loop on purpose: Prefect and the shell wait for the process, not for its threads.
    """
    with contextlib.suppress(WarehouseError, MachineError):
        load_only(settings, [], clock, lock_wait=shutdown_grace())


def shutdown_grace() -> float:
    """Return how many seconds a cancelled run waits for another loader; 0 if it was cancelled twice.

    asyncio turns the first Ctrl-C into a cancellation, and raises KeyboardInterrupt for the second one.
    """
    task = asyncio.current_task()
    cancelled_twice = isinstance(sys.exception(), KeyboardInterrupt) or (
        task is not None and task.cancelling() > 1
    )
    return 0.0 if cancelled_twice else SHUTDOWN_GRACE
