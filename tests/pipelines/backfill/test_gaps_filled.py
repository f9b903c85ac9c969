"""Two hours without a look: named, filled from the API's history, and then what was is what stands there."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from common.time_ranges import floor_to
from pipelines.backfill.gaps import Gap, GapPart, fill_requests, find_gaps
from pipelines.backfill.pipeline import BackfillPipeline
from pipelines.backfill.results import BackfillResult
from sandbox.core import Sandbox
from tests.support.clocks import NOON, BoxClock
from tests.support.sandboxes import MakeSandbox
from tests.support.snapshots import Bench, Row, basket, catalog_of, main_with, ordered

pytestmark = pytest.mark.slow
PROVIDERS = ("steam", "buff163", "csfloat")
GRID, TEN, HOUR = timedelta(minutes=5), timedelta(minutes=10), timedelta(hours=1)
HOLE = NOON + 2 * HOUR, NOON + 4 * HOUR
OPEN = HOLE[0] + 1.5 * TEN, HOLE[1]  # until then the look before it counts


def passed(bench: Bench, box: Sandbox) -> None:
    """Six hours of the market, looked at every ten minutes but for two hours in the middle."""
    while box.clock.now() <= NOON + 6 * HOUR:
        away = (box.clock.now() - NOON) % TEN or HOLE[0] < box.clock.now() < HOLE[1]
        if not away:
            bench.snapshot(clock=BoxClock(box))
        box.advance(GRID.total_seconds())
        box.restock(20)


def found(bench: Bench, box: Sandbox) -> list[Gap]:
    return asyncio.run(find_gaps(bench.settings, BoxClock(box), on_request=pytest.fail))


def filled(bench: Bench, box: Sandbox) -> list[BackfillResult]:
    """What `backfill --gaps` does, by the sandbox's clock."""
    return [
        asyncio.run(BackfillPipeline(bench.settings, request, BoxClock(box)).run())
        for request in fill_requests(bench.settings, found(bench, box))
    ]


def grid(start: datetime, end: datetime, step: timedelta = GRID) -> Iterator[datetime]:
    """The moments of a grid in [start, end)."""
    while start < end:
        yield start
        start += step


def stood(bench: Bench, at: datetime) -> list[Row]:
    """What the database says was listed at a moment at the basket's providers."""
    columns = "provider, item_id, phase, lowest_ask, price, quantity"
    known = f"SELECT {columns} FROM quotes_as_of(?) WHERE currency = 'USD' AND list_contains(?, provider)"
    return ordered(bench.ask(known, at, list(PROVIDERS)))


def truth(box: Sandbox, at: datetime) -> list[Row]:
    """What the market listed at that moment."""
    rows = box.ledger(at, providers=PROVIDERS).select(
        "provider", "item_id", "phase", "lowest_ask", "lowest_ask_decimal", "quantity"
    )
    return ordered([(p, str(i), ph, ask, Decimal(d), q) for p, i, ph, ask, d, q in rows.iter_rows()])


@pytest.mark.parametrize("dense", [False, True], ids=["changes only", "every slot"])
def test_a_hole_is_named_filled_and_then_tells_the_truth(
    tmp_path: Path, make_sandbox: MakeSandbox, *, dense: bool
) -> None:
    box = make_sandbox(items=60, refresh=300, moving=0.1, history="dense" if dense else "changes")
    bench = Bench.at(tmp_path, box, catalog_of(*PROVIDERS, every="10m"), source={"tier": "pro"})
    passed(bench, box)
    (gap,) = found(bench, box)
    assert (gap.start, gap.end, gap.cause, gap.runs) == (*HOLE, "absent", ())
    assert gap.pieces == (GapPart(*HOLE, "fillable"),)
    looks = [at for at in grid(NOON, NOON + 6 * HOUR + TEN, TEN) if not HOLE[0] < at < HOLE[1]]
    before = {at: stood(bench, at) for at in looks}
    assert before == {at: truth(box, at) for at in looks}
    assert stood(bench, HOLE[0] + HOUR) != truth(box, HOLE[0] + HOUR)

    (result,) = filled(bench, box)
    assert (result.state, result.shards_done, result.shards_broken) == ("done", 57, 0)
    assert result.rows_new > 0
    wrong = [at for at in grid(*HOLE) if stood(bench, at) != truth(box, at)]
    assert wrong == []
    assert {at: stood(bench, at) for at in looks} == before

    assert found(bench, box)[0].pieces == (GapPart(*HOLE, "filled"),)
    asked = len(box.requests)
    assert filled(bench, box) == []
    assert {entry.path for entry in box.requests.since(asked)} <= {"/v1/account/key"}


def test_the_command_fills_what_is_kept_and_says_what_is_lost(
    tmp_path: Path, make_sandbox: MakeSandbox
) -> None:
    now = floor_to(datetime.now(UTC), TEN)
    box = make_sandbox(frozen=now - timedelta(days=40), history="dense")
    bench = Bench.at(tmp_path, box, basket(every="10m"), source={"tier": "pro"})
    bench.snapshot(clock=BoxClock(box))
    box.advance(timedelta(days=40).total_seconds())
    bench.snapshot(clock=BoxClock(box))
    config = ("--config", str(bench.config))
    said = main_with("backfill", "--gaps", "--no-prefect", *config)
    assert said.code == 0, said
    lost = f"core, USD: lost from {now - timedelta(days=40):%Y-%m-%d %H:%M:%S} to "
    assert f"{lost}{now - timedelta(days=35):%Y-%m-%d}" in said.err
    assert ": older than 35 days" in said.err
    (gap,) = json.loads(main_with("gaps", "--json", *config).out)["gaps"]
    assert [piece["what"] for piece in gap["pieces"]] == ["lost", "filled"]
    ((oldest,),) = bench.ask("SELECT min(time) FROM price_points")
    assert oldest >= datetime.fromisoformat(gap["pieces"][0]["end"])
