"""What a run sends is what the plan said: twelve shapes of baskets on four tiers, against the sandbox."""

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
    "merged": {"items": [DOPPLER, GAMMA], "providers": ["all"]},
    "table": {"items": IDS, "providers": ["steam"], "currencies": FIVE, "fx": "table"},
    "five": {"items": IDS, "providers": ["dupefi"], "currencies": FIVE},
    "catalog": {"items": ["all"], "providers": ["steam"]},
    "catalogs": {"items": ["all"], "providers": ["steam", "buff163", "youpin"], "currencies": FIVE[:2]},
    "all": {"items": ["all"], "providers": ["all"], "currencies": FIVE},
    "all-table": {"items": ["all"], "providers": ["all"], "currencies": FIVE, "fx": "table"},
}
# Every catalog once, from its beginning to its end: then the plans know the sizes.
LOOK = {"items": ["all"], "providers": ["all"], "route": "catalog"}
ROUTES = tuple(f"/v1/{name}" for name in ("prices", "prices/batch", "bids", "bids/batch", "fx"))


def bench_of(folder: Path, box: Sandbox, tier: str) -> Bench:
    every = {"every": "1d", "bids": tier != "free"}
    shapes = (basket(name, **{**every, "route": "auto", **fields}) for name, fields in SHAPES.items())
    return Bench.at(folder, box, basket("look", **every, **LOOK), *shapes, source={"tier": tier})


def said(bench: Bench, clock: VirtualClock) -> dict[str, Forecast]:
    """What `floorline plan` tells of each basket."""
    (source,) = asyncio.run(forecast_sources(bench.settings, clock, offline=False, on_request=lambda _: None))
    return {found.basket: found for found in source.baskets}


@pytest.mark.parametrize("tier", TIERS)
def test_a_run_sends_what_the_plan_said(tmp_path: Path, make_sandbox: MakeSandbox, tier: str) -> None:
    box, clock = make_sandbox(tier=tier), VirtualClock()
    bench = bench_of(tmp_path, box, tier)
    assert bench.snapshot("look", clock=clock)[0].state == "done"
    plans = {name: found.plan for name, found in said(bench, clock).items()}
    for name in SHAPES:
        made, before = plans[name], len(box.requests)
        (result,) = bench.snapshot(name, clock=clock)
        sent = [entry for entry in box.requests.since(before) if entry.path in ROUTES]
        assert made is not None
        assert (name, result.state, len(sent)) == (name, "done", made.requests)
        assert made.least_requests == made.requests
