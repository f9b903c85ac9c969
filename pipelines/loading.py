"""The last steps of a run: load what waits, raise and resolve alerts, publish."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence

import polars as pl

from common.clock import Clock
from common.errors import SourceError
from connectors.cs2cap.contract import BOOK_SIDES
from connectors.cs2cap.parser import parse_rows
from connectors.pages import Reject
from pipelines.alerts.notify import deliver
from pipelines.alerts.rules import raise_alerts
from pipelines.config import Settings
from pipelines.results import RunResult
from warehouse.landing.model import PageMeta
from warehouse.landing.ndjson import LandedRawShard
from warehouse.landing.reader import CorruptLanding
from warehouse.loading.pipeline import load_pending
from warehouse.loading.run import LoadReport
from warehouse.paths import WarehousePaths
from warehouse.state.alerts import AlertStore


def parse_raw_rows(shard: LandedRawShard) -> Iterator[tuple[PageMeta, pl.DataFrame, Mapping[str, int]]]:
    """Type lines: pages in their order, and how many of their rows carry which unknown field.

    Of what was torn, all that is whole. Raises Unreadable.
    """
    offers, seen = BOOK_SIDES[shard.header.deliveries[0]], 0
    try:
        for mark, lines in shard.chunks():
            rows = parse_rows([line for line in lines.split(b"\n") if line.strip()], offers, "")
            place = mark if shard.head.paged else dataclasses.replace(mark, offset=seen)
            seen += lines.count(b"\n")
            yield _with_rejects(place, rows.rejects), rows.frame, rows.unknown_fields
    except SourceError as error:
        raise CorruptLanding(shard.path.parent, f"{shard.path.name}: {error.detail}") from None


def _with_rejects(mark: PageMeta, rejects: Sequence[Reject]) -> PageMeta:
    return dataclasses.replace(mark, rejects=tuple((reject.reason, reject.raw) for reject in rejects))


def load_and_publish(
    settings: Settings, results: Sequence[RunResult], clock: Clock, patience: float = math.inf
) -> Sequence[LoadReport]:
    """Load every landing that waits and publish; alerts are raised in between: they are published too.

    They are raised, and told, where nothing can be loaded as well. Waits for another loader as long as the
    configuration says, and at most `patience` seconds. Raises WarehouseError; what could not be loaded waits
    for the next call.
    """
    home = WarehousePaths(settings.root)
    state = AlertStore(home.state)

    told = False

    def on_loaded(loads: Sequence[LoadReport]) -> None:
        nonlocal told
        raise_alerts(state, results, loads, clock.now())
        told = True

    try:
        return load_pending(
            home,
            now=clock.now,
            keep=settings.warehouse.keep_landings,
            wait=min(settings.warehouse.lock_wait.total_seconds(), patience),
            retype=parse_raw_rows,
            on_loaded=on_loaded,
        )
    finally:
        if not told:  # a rejected key is worth knowing of while the database is locked, too
            on_loaded([])
        deliver(state, settings.alerts.notify, clock.now())
