"""The flow `live` ends in the state that says why its source refuses the feeds."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from prefect.client.schemas.objects import State

from flows.live import live
from sandbox.options import Options
from sandbox.server import serve
from tests.support.clocks import NOON
from tests.support.prefect_server import WITH_PREFECT, temporary_prefect
from tests.support.snapshots import Bench, basket

pytestmark = WITH_PREFECT


async def _run(bench: Bench) -> State[Any]:
    return await live(config=str(bench.config), return_state=True)


def test_flow_ends_as_forbidden_where_the_tier_has_no_feeds(tmp_path: Path) -> None:
    options = Options(items=20, tier="pro", frozen=NOON, refresh=0, limits=False)
    with temporary_prefect(), serve(options) as box:
        bench = Bench.at(tmp_path, box, basket(live=True))
        state: State[Any] = asyncio.run(_run(bench))
        assert (state.name, state.type.value) == ("PlanForbids", "FAILED")
        assert "the pro tier does not include the feeds" in str(state.message)
        (alert,) = bench.alerts()
        assert alert.cause == "plan.forbids"
