"""Pages that come so slowly that a shard takes longer than it may: it ends, and what came is kept.

New: a shard had no bound of its own, and could take days.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest

from pipelines.backfill.pipeline import BackfillPipeline
from tests.support.backfills import loaded_points, points_request
from tests.support.clocks import VirtualClock
from tests.support.relay import Edit, relay_to
from tests.support.sandboxes import MakeSandbox
from tests.support.snapshots import Bench, catalog_of

pytestmark = pytest.mark.usefixtures("no_prefect")
PRICES, HISTORY = "/v1/prices", "/v1/prices/history"


def after(clock: VirtualClock, time: timedelta) -> Edit:
    """Return an edit that changes nothing, and takes this time."""

    def edit(body: bytes) -> bytes:
        clock.time += time.total_seconds()
        return body

    return edit


@pytest.mark.parametrize(("hours", "state"), [(0.5, "done"), (5, "incomplete")])  # the first is a guard
def test_slow_catalog_ends_and_keeps_its_pages(
    tmp_path: Path, make_sandbox: MakeSandbox, hours: float, state: str
) -> None:
    clock = VirtualClock()
    with relay_to(make_sandbox(items=300, tier="free", limits=True).url) as relay:
        bench = Bench.create(tmp_path, {"cs2cap": relay.url}, catalog_of("steam"))
        relay.edits[PRICES] = after(clock, timedelta(hours=hours))
        (result,) = bench.snapshot(clock=clock)
    assert (result.state, result.exit_code) == (state, 0 if state == "done" else 3)
    assert len(bench.quotes()) > 0
    if state == "incomplete":
        assert "steam USD #0: cs2cap: it took longer than 4h" in str(result.incomplete_reason)
        assert result.pages < 3


@pytest.mark.slow
def test_slow_series_ends_and_continues_where_it_ended(tmp_path: Path, make_sandbox: MakeSandbox) -> None:
    box, clock = make_sandbox(tier="pro", limits=True), VirtualClock()
    with relay_to(box.url) as relay:
        bench = Bench.create(tmp_path, {"cs2cap": relay.url}, source={"tier": "pro"})
        request = points_request(1, days=7)
        relay.edits[HISTORY] = after(clock, timedelta(hours=3))
        slow = asyncio.run(BackfillPipeline(bench.settings, request, clock).run())
        assert (slow.state, slow.shards_broken) == ("incomplete", 1)
        assert "it took longer than 100m" in slow.broken[0]
        some = len(loaded_points(bench))
        relay.edits.clear()
        sent = relay.count(HISTORY)
        done = asyncio.run(BackfillPipeline(bench.settings, request, clock).run())
    assert (done.state, done.shards_broken) == ("done", 0)
    assert 0 < some < len(loaded_points(bench))
    assert sent == 1
