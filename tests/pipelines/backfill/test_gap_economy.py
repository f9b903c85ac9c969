"""What it costs to fill gaps: one request for each item where the gaps fit one page, within one budget."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from pipelines.backfill.gap_parts import Gap
from pipelines.backfill.gaps import fill_requests, find_gaps
from pipelines.backfill.pipeline import BackfillPipeline
from pipelines.backfill.plan import BackfillPlan
from sandbox.core import Sandbox
from tests.support.backfills import history_requests
from tests.support.clocks import NOON, SandboxClock
from tests.support.sandboxes import MakeSandbox
from tests.support.snapshots import Bench, basket
from warehouse.state.database import open_state
from warehouse.state.ticks import MissedTick, record_ticks

ITEMS = tuple(range(1, 31))
SNAPSHOTS = (0, 10, 50, 60, 100, 110)  # minutes; two gaps of 40 minutes lie between them
# The end of the history's grid lies after the second gap.
END = 120


@pytest.fixture
def outage(tmp_path: Path, make_sandbox: MakeSandbox) -> tuple[Bench, Sandbox]:
    """Return a basket of 30 items at one marketplace with two gaps, and its sandbox."""
    box = make_sandbox(frozen=NOON, items=60, refresh=300, moving=0.2)
    core = basket(items=list(ITEMS), providers=["steam"], every="10m", route="batch")
    bench = Bench.at(tmp_path, box, core, source={"tier": "pro"})
    for minute in SNAPSHOTS:
        box.advance(60 * minute - (box.clock.now() - NOON).total_seconds())
        bench.snapshot(clock=SandboxClock(box))
    box.advance(60 * END - (box.clock.now() - NOON).total_seconds())
    return bench, box


def gaps_of(bench: Bench, box: Sandbox) -> list[Gap]:
    return asyncio.run(find_gaps(bench.settings, SandboxClock(box), on_request=lambda _: None))


def fill(bench: Bench, box: Sandbox, on_plan: Callable[[BackfillPlan], None] = lambda _: None) -> int:
    """Fill the gaps; return how many requests for points that took."""
    before = len(history_requests(box))
    for request in fill_requests(bench.settings, gaps_of(bench, box)):
        pipeline = BackfillPipeline(bench.settings, request, SandboxClock(box), on_plan=on_plan)
        assert asyncio.run(pipeline.run()).state == "done"
    return len(history_requests(box)) - before


@pytest.mark.slow
def test_two_gaps_of_thirty_items_cost_thirty_requests(outage: tuple[Bench, Sandbox]) -> None:
    bench, box = outage
    fillable = [gap for gap in gaps_of(bench, box) if gap.parts("fillable")]
    assert [gap.cause for gap in fillable] == ["absent", "absent"]
    plans: list[BackfillPlan] = []
    assert fill(bench, box, plans.append) == len(ITEMS)
    (plan,) = plans
    assert (plan.at_least, plan.expected, plan.at_most) == (30, 30, 30)
    assert not any(gap.parts("fillable") for gap in gaps_of(bench, box))


@pytest.mark.slow
def test_scheduled_runs_that_took_nothing_are_told_from_no_runs(outage: tuple[Bench, Sandbox]) -> None:
    bench, box = outage
    busy = "the limit of this deployment is reached"
    ticks = [MissedTick("core", NOON + timedelta(minutes=20), "cancelled", busy)]
    record_ticks(open_state(bench.paths), ticks, NOON)
    first, second = gaps_of(bench, box)[:2]
    assert (first.cause, first.reasons) == (
        "cancelled",
        (f"1 scheduled run took nothing, cancelled: {busy}",),
    )
    assert (second.cause, second.reasons) == ("absent", ())
