"""A gap of two hours is filled from the API's history, and then equals the market."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from common.time_ranges import floor_to
from pipelines.backfill.gap_parts import Gap, GapPart
from pipelines.backfill.gaps import fill_requests, find_gaps
from pipelines.backfill.pipeline import BackfillPipeline
from pipelines.backfill.results import BackfillResult
from sandbox.core import Sandbox
from tests.support.backfills import history_requests
from tests.support.clocks import NOON, SandboxClock
from tests.support.json_outputs import read_result
from tests.support.sandboxes import MakeSandbox
from tests.support.snapshots import Bench, Row, basket, catalog_of, main_with, ordered

pytestmark = pytest.mark.slow
PROVIDERS = ("steam", "buff163", "csfloat")
GRID, TEN_MINUTES, HOUR = timedelta(minutes=5), timedelta(minutes=10), timedelta(hours=1)
GAP, END = (NOON + HOUR, NOON + 3 * HOUR), NOON + 4 * HOUR


def snapshot_with_outage(bench: Bench, box: Sandbox) -> None:
    """Take a snapshot every ten minutes of four hours, except for two hours in the middle."""
    while box.clock.now() <= END:
        skipped = (box.clock.now() - NOON) % TEN_MINUTES or GAP[0] < box.clock.now() < GAP[1]
        if not skipped:
            bench.snapshot(clock=SandboxClock(box))
        box.advance(GRID.total_seconds())
        box.restock(20)


def find_current_gaps(bench: Bench, box: Sandbox) -> list[Gap]:
    return asyncio.run(find_gaps(bench.settings, SandboxClock(box), on_request=pytest.fail))


def fill_gaps(bench: Bench, box: Sandbox) -> list[BackfillResult]:
    """Fill the gaps like `backfill --gaps`, by the sandbox's clock."""
    return [
        asyncio.run(BackfillPipeline(bench.settings, request, SandboxClock(box)).run())
        for request in fill_requests(bench.settings, find_current_gaps(bench, box))
    ]


def grid_times(start: datetime, end: datetime, step: timedelta = GRID) -> Iterator[datetime]:
    """Yield the times of a grid in [start, end)."""
    while start < end:
        yield start
        start += step


def known_quotes(bench: Bench, at: datetime) -> list[Row]:
    """Return the quotes that the database has for a time, at the basket's providers."""
    columns = "provider, item_id, phase, lowest_ask, price, quantity"
    query = f"SELECT {columns} FROM quotes_as_of(?) WHERE currency = 'USD' AND list_contains(?, provider)"
    return ordered(bench.query(query, at, list(PROVIDERS)))


def market_quotes(box: Sandbox, at: datetime) -> list[Row]:
    """Return the quotes that the market had at a time."""
    rows = box.ledger(at, providers=PROVIDERS).select(
        "provider", "item_id", "phase", "lowest_ask", "lowest_ask_decimal", "quantity"
    )
    return ordered([(p, str(i), ph, ask, Decimal(d), q) for p, i, ph, ask, d, q in rows.iter_rows()])


@pytest.mark.parametrize("dense", [False, True], ids=["changes only", "every slot"])
def test_filled_gap_equals_the_market(tmp_path: Path, make_sandbox: MakeSandbox, *, dense: bool) -> None:
    box = make_sandbox(items=60, refresh=300, moving=0.1, history="dense" if dense else "changes")
    bench = Bench.at(tmp_path, box, catalog_of(*PROVIDERS, every="10m"), source={"tier": "pro"})
    snapshot_with_outage(bench, box)
    (gap,) = find_current_gaps(bench, box)
    assert (gap.start, gap.end, gap.cause, gap.runs) == (*GAP, "absent", ())
    assert gap.pieces == (GapPart(*GAP, "fillable"),)
    observed_at = [at for at in grid_times(NOON, END + TEN_MINUTES, TEN_MINUTES) if not GAP[0] < at < GAP[1]]
    before = {at: known_quotes(bench, at) for at in observed_at}
    assert before == {at: market_quotes(box, at) for at in observed_at}
    assert known_quotes(bench, GAP[0] + HOUR) != market_quotes(box, GAP[0] + HOUR)

    (result,) = fill_gaps(bench, box)
    assert (result.state, result.shards_done, result.shards_broken) == ("done", 57, 0)
    assert result.rows_new > 0
    different = [at for at in grid_times(*GAP) if known_quotes(bench, at) != market_quotes(box, at)]
    assert different == []
    assert {at: known_quotes(bench, at) for at in observed_at} == before

    assert find_current_gaps(bench, box)[0].pieces == (GapPart(*GAP, "filled"),)
    requests_before = len(box.requests)
    assert fill_gaps(bench, box) == []
    assert {entry.path for entry in box.requests.since(requests_before)} <= {"/v1/account/key"}


def test_command_fills_kept_time_and_reports_lost_time(tmp_path: Path, make_sandbox: MakeSandbox) -> None:
    now = floor_to(datetime.now(UTC), TEN_MINUTES)
    box = make_sandbox(frozen=now - timedelta(days=40), history="dense")
    bench = Bench.at(tmp_path, box, basket(every="10m"), source={"tier": "pro"})
    bench.snapshot(clock=SandboxClock(box))
    box.advance(timedelta(days=40).total_seconds())
    bench.snapshot(clock=SandboxClock(box))
    config = ("--config", str(bench.config))
    stopped = main_with("backfill", "--gaps", "--budget", "3", "--no-prefect", *config)
    assert (stopped.code, len(history_requests(box))) == (5, 3)
    assert "continues where it stopped" in stopped.err
    result = main_with("backfill", "--gaps", "--no-prefect", *config)
    assert result.code == 0, result
    lost = re.search(r"core, USD: lost from (.+) to (.+): older than 35 days", result.err)
    assert lost is not None, result.err
    start, end = (datetime.fromisoformat(f"{text}+00:00") for text in lost.groups())
    assert start == now - timedelta(days=40)
    assert timedelta() < end - (now - timedelta(days=35)) < timedelta(hours=2)
    (gap,) = read_result(main_with("gaps", "--json", *config).out)["gaps"]
    assert [piece["what"] for piece in gap["pieces"]] == ["lost", "filled"]
    ((oldest,),) = bench.query("SELECT min(time) FROM price_points")
    assert oldest >= datetime.fromisoformat(gap["pieces"][0]["end"])
