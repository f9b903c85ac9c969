"""Backfills from sandboxes: how one is run, and what the warehouse and the market then say."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from pipelines.backfill.pipeline import BackfillPipeline
from pipelines.backfill.plan import BackfillPlan
from pipelines.backfill.progress import BackfillProgress
from pipelines.backfill.request import BackfillRequest
from pipelines.backfill.results import BackfillResult
from sandbox.core import Sandbox
from sandbox.request_log import LogEntry
from tests.support.clocks import NOON, BoxClock
from tests.support.snapshots import Bench
from warehouse.state.backfill_rows import BackfillShard
from warehouse.state.backfills import BackfillStore

DAY = timedelta(days=1)
Point = tuple[str, str, datetime, int, int]


def bench_at(
    folder: Path, box: Sandbox, *, warehouse: Mapping[str, object] | None = None, **source: object
) -> Bench:
    """A configuration without a basket, whose source is a pro account."""
    return Bench.at(folder, box, source={"tier": "pro", **source}, warehouse=warehouse)


def asked(*items: int, days: float = 1, **fields: Any) -> BackfillRequest:
    """Points of these items, so many days back from noon, unless `fields` say otherwise."""
    return BackfillRequest(**{"items": items or (1,), "start": NOON - days * DAY, **fields})


def run(
    bench: Bench,
    box: Sandbox,
    request: BackfillRequest,
    *,
    progress: BackfillProgress | None = None,
    leg: float = 90.0,
) -> BackfillResult:
    """Run a backfill by the sandbox's time."""
    pipeline = BackfillPipeline(
        bench.settings, request, BoxClock(box), progress=progress, micro_batch_seconds=leg
    )
    return asyncio.run(pipeline.run())


def plan(bench: Bench, box: Sandbox, request: BackfillRequest) -> BackfillPlan:
    """Only plan it."""
    return asyncio.run(BackfillPipeline(bench.settings, request, BoxClock(box)).plan())


def points(bench: Bench, currency: str = "USD") -> list[Point]:
    """What `price_points` holds, in order."""
    found = bench.ask(
        "SELECT provider, item_id, time, lowest_ask, quantity FROM price_points WHERE currency = ?", currency
    )
    return sorted((provider, item, time, ask, quantity) for provider, item, time, ask, quantity in found)


def truth(box: Sandbox, items: Sequence[int], start: datetime, end: datetime) -> list[Point]:
    """The points that the market had."""
    frame = box.history(list(items), start=start, end=end)
    columns = frame.select("provider", "item_id", "time", "price", "quantity").iter_rows()
    return sorted(
        (provider, str(item), time, ask, quantity) for provider, item, time, ask, quantity in columns
    )


def history(box: Sandbox, since: int = 0) -> list[LogEntry]:
    """The requests for points that a sandbox got after number `since`."""
    return box.requests.of_path("/v1/prices/history", since)


def shards(bench: Bench, result: BackfillResult) -> list[BackfillShard]:
    """How far the shards of a backfill are."""
    return BackfillStore(bench.home.state).list_shards(result.backfill_id)
