"""The requests of a run equal those of its plan: twelve shapes of baskets on four tiers."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from pipelines.planning.estimate import forecast_sources
from pipelines.planning.forecast import Forecast
from sandbox.core import Sandbox
from sandbox.cs2cap.keys import TIERS
from tests.support.clocks import VirtualClock
from tests.support.sandboxes import MakeSandbox
from tests.support.snapshots import Bench, basket

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("no_prefect")]
FIVE = ["USD", "EUR", "GBP", "JPY", "BTC"]
DOPPLER, GAMMA = "★ Karambit | Doppler (Factory New)", "★ M9 Bayonet | Gamma Doppler (Factory New)"
IDS = list(range(1, 151))
SHAPES: dict[str, dict[str, Any]] = {
    "one": {"items": [1], "providers": ["steam"]},
    "two": {"items": [1, 300], "providers": ["steam", "buff163", "csfloat"], "currencies": FIVE[:2]},
    "ids": {"items": IDS[:101], "providers": ["steam", "buff163", "csfloat"]},
    "everywhere": {"items": IDS[:101], "providers": ["all"]},
    "phases": {"items": ["*Doppler*", DOPPLER], "providers": ["steam", "youpin"], "currencies": FIVE[:2]},
    "aggregates": {"items": [DOPPLER, GAMMA], "providers": ["all"]},
    "table": {"items": IDS, "providers": ["steam"], "currencies": FIVE, "fx": "table"},
    "five": {"items": IDS, "providers": ["dupefi"], "currencies": FIVE},
    "catalog": {"items": ["all"], "providers": ["steam"]},
    "catalogs": {"items": ["all"], "providers": ["steam", "buff163", "youpin"], "currencies": FIVE[:2]},
    "all": {"items": ["all"], "providers": ["all"], "currencies": FIVE},
    "all-table": {"items": ["all"], "providers": ["all"], "currencies": FIVE, "fx": "table"},
}
# One complete extraction of every catalog, so that the plans know the sizes.
FULL = {"items": ["all"], "providers": ["all"], "route": "catalog"}
ROUTES = tuple(f"/v1/{name}" for name in ("prices", "prices/batch", "bids", "bids/batch", "fx"))


def bench_of(folder: Path, box: Sandbox, tier: str) -> Bench:
    every = {"every": "1d", "bids": tier != "free"}
    shapes = (basket(name, **{**every, "route": "auto", **fields}) for name, fields in SHAPES.items())
    return Bench.at(folder, box, basket("full", **every, **FULL), *shapes, source={"tier": tier})


def forecasts(bench: Bench, clock: VirtualClock) -> dict[str, Forecast]:
    """Return the forecast of each basket."""
    (source,) = asyncio.run(forecast_sources(bench.settings, clock, offline=False, on_request=lambda _: None))
    return {forecast.basket: forecast for forecast in source.baskets}


@pytest.mark.parametrize("tier", TIERS)
def test_run_sends_the_planned_requests(tmp_path: Path, make_sandbox: MakeSandbox, tier: str) -> None:
    box, clock = make_sandbox(tier=tier), VirtualClock()
    bench = bench_of(tmp_path, box, tier)
    assert bench.snapshot("full", clock=clock)[0].state == "done"
    plans = {name: forecast.plan for name, forecast in forecasts(bench, clock).items()}
    for name in SHAPES:
        plan, before = plans[name], len(box.requests)
        (result,) = bench.snapshot(name, clock=clock)
        sent = [entry for entry in box.requests.since(before) if entry.path in ROUTES]
        assert plan is not None
        assert (name, result.state, len(sent)) == (name, "done", plan.requests)
        assert plan.least_requests == plan.requests
