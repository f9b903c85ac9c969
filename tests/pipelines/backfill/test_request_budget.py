"""`--budget N` is never exceeded, however many shards run at once, and no page is requested twice."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from common.errors import BudgetSpent
from connectors.ratelimit.limiter import RateLimiter
from tests.support.backfills import (
    DAY,
    bench_at,
    history_requests,
    loaded_points,
    market_points,
    points_request,
    run_backfill,
)
from tests.support.clocks import NOON, VirtualClock
from tests.support.sandboxes import MakeSandbox

ITEMS = (1, 2, 3, 4)


def test_budget_counts_metered_requests_only() -> None:
    rate_limiter = RateLimiter(None, VirtualClock(), source="cs2cap")
    rate_limiter.set_budget(2)

    async def send(*, metered: bool) -> None:
        async with rate_limiter.acquire(metered=metered):
            pass

    async def main() -> None:
        for metered in (True, False, True, False):
            await send(metered=metered)
        with pytest.raises(BudgetSpent, match="allowed are used up"):
            await send(metered=True)
        await send(metered=False)

    asyncio.run(main())
    assert rate_limiter.month_usage().used == 2


@pytest.mark.slow
def test_run_stops_at_its_budget_and_the_next_run_resumes(tmp_path: Path, make_sandbox: MakeSandbox) -> None:
    box = make_sandbox(history="dense")
    bench = bench_at(tmp_path, box)
    first = run_backfill(bench, box, points_request(*ITEMS, days=0.25, budget=7))
    assert (first.state, first.exit_code, first.requests) == ("stopped", 5, 7)
    assert isinstance(first.error, BudgetSpent)
    assert first.shards_left > 0
    assert f"--resume {first.backfill_id}" in first.hint
    assert len(loaded_points(bench)) == first.rows_new > 0
    assert bench.alerts() == []
    second = run_backfill(bench, box, points_request(*ITEMS, days=0.25))
    assert (second.state, second.backfill_id) == ("done", first.backfill_id)
    pages = [entry.query for entry in history_requests(box)]
    assert len(pages) == len(set(pages)) == 5 + second.requests
    assert loaded_points(bench) == market_points(box, ITEMS, NOON - DAY / 4, NOON)


@pytest.mark.slow
@pytest.mark.parametrize("budget", [1, 2, 3, 5])
def test_runs_with_any_budget_reach_the_same_result(
    tmp_path: Path, make_sandbox: MakeSandbox, budget: int
) -> None:
    box = make_sandbox(history="dense")
    bench = bench_at(tmp_path, box)
    request = points_request(1, 2, days=0.25, budget=budget)
    results = [run_backfill(bench, box, request)]
    while results[-1].state == "stopped" and len(results) < 20:
        results.append(run_backfill(bench, box, request))
    assert results[-1].state == "done"
    costs = [result.requests for result in results]
    assert set(costs[:-1]) <= {budget}
    pages = [entry.query for entry in history_requests(box)]
    assert len(pages) == len(set(pages)) == sum(costs) - 2
    assert loaded_points(bench) == market_points(box, (1, 2), NOON - DAY / 4, NOON)
