"""Run backfills against a sandbox, and compare the warehouse with the market."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from pipelines.backfill.pipeline import MICRO_BATCH_SECONDS, BackfillPipeline
from pipelines.backfill.plan import BackfillPlan
from pipelines.backfill.progress import BackfillProgress
from pipelines.backfill.request import BackfillRequest
from pipelines.backfill.results import BackfillResult
from sandbox.core import Sandbox
from sandbox.request_log import LogEntry
from tests.support.clocks import NOON, SandboxClock
from tests.support.snapshots import Bench
from warehouse.state.backfill_rows import BackfillShard
from warehouse.state.backfills import BackfillStore

DAY = timedelta(days=1)
Point = tuple[str, str, datetime, int, int]


def bench_at(
    folder: Path, box: Sandbox, *, warehouse: Mapping[str, object] | None = None, **source: object
) -> Bench:
    """Return a bench without a basket, whose source is a pro account."""
    return Bench.at(folder, box, source={"tier": "pro", **source}, warehouse=warehouse)


def points_request(*items: int, days: float = 1, **fields: Any) -> BackfillRequest:
    """Return a request for the points of these items in the days before noon; `fields` override."""
    return BackfillRequest(**{"items": items or (1,), "start": NOON - days * DAY, **fields})


def run_backfill(
    bench: Bench,
    box: Sandbox,
    request: BackfillRequest,
    *,
    progress: BackfillProgress | None = None,
    micro_batch_seconds: float = MICRO_BATCH_SECONDS,
) -> BackfillResult:
    """Run a backfill by the sandbox's clock."""
    bench.prepare()
    pipeline = BackfillPipeline(
        bench.settings,
        request,
        SandboxClock(box),
        progress=progress,
        micro_batch_seconds=micro_batch_seconds,
    )
    return asyncio.run(pipeline.run())


def plan_backfill(bench: Bench, box: Sandbox, request: BackfillRequest) -> BackfillPlan:
    """Plan a backfill by the sandbox's clock."""
    return asyncio.run(BackfillPipeline(bench.settings, request, SandboxClock(box)).plan())


def loaded_points(bench: Bench, currency: str = "USD") -> list[Point]:
    """Return the rows of `price_points`, sorted."""
    rows = bench.query(
        "SELECT provider, item_id, time, lowest_ask, quantity FROM price_points WHERE currency = ?", currency
    )
    return sorted((provider, item, time, ask, quantity) for provider, item, time, ask, quantity in rows)


def market_points(box: Sandbox, items: Sequence[int], start: datetime, end: datetime) -> list[Point]:
    """Return the points of the sandbox's market, sorted."""
    frame = box.history(list(items), start=start, end=end)
    rows = frame.select("provider", "item_id", "time", "price", "quantity").iter_rows()
    return sorted((provider, str(item), time, ask, quantity) for provider, item, time, ask, quantity in rows)


def history_requests(box: Sandbox, since: int = 0) -> list[LogEntry]:
    """Return the requests for points that a sandbox got after number `since`."""
    return box.requests.of_path("/v1/prices/history", since)


def list_shards(bench: Bench, result: BackfillResult) -> list[BackfillShard]:
    """Return the shards of a backfill with their checkpoints."""
    return BackfillStore(bench.paths).list_shards(result.backfill_id)
