"""A snapshot reads the market figures at their interval, and goes on without them."""

from __future__ import annotations

from pathlib import Path

import pytest

from sandbox.core import Sandbox
from tests.support.clocks import SandboxClock
from tests.support.sandboxes import MakeSandbox
from tests.support.snapshots import Bench, basket

PATH = "/v1/market/items"


def bench_at(folder: Path, box: Sandbox, tier: str = "pro") -> Bench:
    return Bench.at(folder, box, basket(every="6h"), source={"market_stats": "1d", "tier": tier})


@pytest.mark.slow
def test_figures_are_read_once_a_day_and_equal_those_of_the_market(
    tmp_path: Path, make_sandbox: MakeSandbox
) -> None:
    box = make_sandbox(items=60)
    bench = bench_at(tmp_path, box)
    expected = []
    for hours in (0, 12, 11, 2):  # the last one is more than a day after the first
        box.advance(3600 * hours)
        box.move(20)
        (result,) = bench.snapshot(clock=SandboxClock(box))
        assert (result.state, [each.describe() for each in result.catalogs if each.describe()]) == (
            "done",
            [],
        )
        if hours in {0, 2}:
            expected += [
                (str(row.item.item_id), row.provider_count, *row.sales, row.supply, row.liquidity)
                for row in box.api.market_stats.stats(box.sync())
            ]
    assert len(box.requests.of_path(PATH, 0)) == 2
    columns = "item_id, provider_count, sales_1d, sales_7d, sales_30d, supply, liquidity"
    query = f'SELECT {columns} FROM market_stats ORDER BY observed_at, "rank"'
    assert bench.query(query) == expected
    assert bench.query("SELECT count(*) FROM liquidity WHERE supply > 0")[0][0] > 50


@pytest.mark.slow
def test_run_goes_on_without_figures_and_says_why(tmp_path: Path, make_sandbox: MakeSandbox) -> None:
    box = make_sandbox(items=60)
    bench = bench_at(tmp_path, box)
    box.fault("status_500", status=400, path=PATH, times=None)  # which is not tried again
    for _ in range(2):
        (result,) = bench.snapshot(clock=SandboxClock(box))
        assert (result.state, result.exit_code) == ("done", 0)
    told = [each.describe() for each in result.catalogs if each.name == "market_stats"]
    assert told == []  # within an hour, it is not tried again
    box.faults.clear()
    box.advance(7200)
    bench.snapshot(clock=SandboxClock(box))
    assert bench.query("SELECT count(DISTINCT observed_at) FROM market_stats") == [(1,)]


def test_smaller_tier_is_told_that_it_has_no_figures(tmp_path: Path, make_sandbox: MakeSandbox) -> None:
    box = make_sandbox(items=60, tier="starter")
    (result,) = bench_at(tmp_path, box, "starter").snapshot(clock=SandboxClock(box))
    (told,) = [each.describe() for each in result.catalogs if each.name == "market_stats"]
    assert result.state == "done"
    assert told.startswith("the table of market figures cannot be read, and the last good one serves: ")
