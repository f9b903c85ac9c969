"""Backfills from sandboxes: how one is run, and what the warehouse and the market then say."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from flows.backfill import Backfill
from flows.backfill_plan import BackfillPlan
from flows.backfill_progress import BackfillProgress
from flows.backfill_request import BackfillRequest
from flows.backfill_results import BackfillResult
from sandbox.core import Sandbox
from sandbox.requests import Entry
from tests.box_clock import BoxClock
from tests.conftest import NOON
from tests.snapshot_kit import Bench
from warehouse.backfills import Backfills, Shard

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
    return asyncio.run(Backfill(bench.settings, request, BoxClock(box), progress, leg=leg).run())


def plan(bench: Bench, box: Sandbox, request: BackfillRequest) -> BackfillPlan:
    """Only plan it."""
    return asyncio.run(Backfill(bench.settings, request, BoxClock(box)).plan())


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


def history(box: Sandbox, since: int = 0) -> list[Entry]:
    """The requests for points that a sandbox got after number `since`."""
    return box.requests.to("/v1/prices/history", since)


def shards(bench: Bench, result: BackfillResult) -> list[Shard]:
    """How far the shards of a backfill are."""
    return Backfills(bench.home.state).shards(result.backfill_id)
