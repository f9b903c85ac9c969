"""The command `floorline gaps`: gaps of baskets, their causes, and what is filled, fillable or lost."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from common.errors import ConfigError
from common.shards import Item, SeriesShard
from common.time_ranges import ceil_to, floor_to
from pipelines.backfill.gap_parts import BasketGap, FilledTime, Gap, GapPart, Retention, classify_gap
from pipelines.backfill.gaps import (
    RETENTION_MARGIN,
    WHY_INEXACT,
    fill_requests,
    find_gaps,
)
from pipelines.planning.selectors import resolve_items
from sandbox.core import Sandbox
from sandbox.cs2cap.keys import VALID_KEY
from sandbox.options import Options
from sandbox.server import serve
from tests.support.backfill_state import finished_backfill
from tests.support.clocks import NOON, SandboxClock
from tests.support.json_outputs import read_result
from tests.support.sandboxes import MakeSandbox
from tests.support.skinshark import configure_both_sources, skinshark_basket
from tests.support.snapshots import ASIIMOV, REDLINE, Bench, basket, main_with
from warehouse.gaps import CoverageGap
from warehouse.state.backfills import BackfillStore

TEN, TWO_HOURS, DAYS_40 = timedelta(minutes=10), timedelta(hours=2), timedelta(days=40)
BASKETS = (
    basket(every="10m", bids=True, route="batch"),
    basket("euros", every="10m", currencies=["USD", "EUR"], providers=["csfloat"]),
    basket("table", every="3h", currencies=["USD", "EUR"], fx="table"),
)


def observe_after(bench: Bench, box: Sandbox, *delays: timedelta) -> None:
    """Take a snapshot after each of these delays."""
    for delay in delays:
        box.advance(delay.total_seconds())
        bench.snapshot(clock=SandboxClock(box))


def gaps(bench: Bench, box: Sandbox, *names: str, since: datetime | None = None) -> list[Gap]:
    messages: list[str] = []
    found_gaps = asyncio.run(
        find_gaps(bench.settings, SandboxClock(box), names, since=since, on_request=messages.append)
    )
    assert messages == []  # no request used quota
    return found_gaps


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    """Return a sandbox whose clock is at most ten minutes behind the machine's clock."""
    begin = floor_to(datetime.now(UTC), TEN) - TWO_HOURS
    with serve(Options(items=300, frozen=begin, refresh=0, limits=False)) as box:
        yield box


@pytest.fixture(scope="module")
def bench(box: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """Return a warehouse with two snapshots of three baskets, two hours apart."""
    bench = Bench.at(tmp_path_factory.mktemp("gap"), box, *BASKETS, source={"tier": "pro"})
    observe_after(bench, box, timedelta(0), TWO_HOURS)
    return bench


@pytest.fixture
def gap_span(box: Sandbox, bench: Bench) -> tuple[datetime, datetime]:
    """Return the two hours without a snapshot."""
    return box.clock.now() - TWO_HOURS, box.clock.now()


def with_tier(bench: Bench, tier: str) -> Bench:
    """Return the same warehouse with another tier of the source."""
    config = bench.folder / f"{tier}.toml"
    config.write_text(bench.config.read_text("utf-8").replace('tier = "pro"', f'tier = "{tier}"'), "utf-8")
    return Bench(bench.folder, config)


def test_gap_between_snapshots_is_fillable(
    bench: Bench, box: Sandbox, gap_span: tuple[datetime, datetime]
) -> None:
    (gap,) = gaps(bench, box, "core")
    assert (gap.basket, gap.source, gap.currency, gap.bids_lost) == ("core", "cs2cap", "USD", True)
    assert ((gap.start, gap.end), gap.cause, gap.runs) == (gap_span, "absent", ())
    assert gap.pieces == (GapPart(*gap_span, "fillable"),)
    (request,) = fill_requests(bench.settings, [gap])
    assert (request.series, request.source, request.currency) == ("points", "cs2cap", "USD")
    assert ((request.start, request.end), request.providers) == (gap_span, ("steam",))
    assert REDLINE in request.items


def test_time_before_the_points_is_filled_by_daily_points(
    bench: Bench, box: Sandbox, gap_span: tuple[datetime, datetime]
) -> None:
    begin = gap_span[0] - DAYS_40
    (before, *_) = gaps(with_tier(bench, "quant"), box, "core", since=begin)
    by_day, fillable = before.pieces
    assert (by_day.start, by_day.what, by_day.why) == (begin, "fillable by day", "")
    assert (fillable.what, fillable.end) == ("fillable", before.end)
    points, daily = fill_requests(bench.settings, [before])
    assert (points.series, points.start, points.end) == ("points", fillable.start, before.end)
    day = timedelta(days=1)
    assert (daily.series, daily.start, daily.end) == ("daily", floor_to(begin, day), ceil_to(by_day.end, day))
    filled = FilledTime(daily=[(floor_to(begin, day), floor_to(begin, day) + day)])
    retention = Retention((by_day.end, box.clock.now()), "older than 35 days", daily=True)
    gap = CoverageGap(begin, before.end, "absent")
    parts = classify_gap(BasketGap(bench.settings.baskets[0], "USD", gap), filled, retention).pieces
    assert [part.what for part in parts] == ["filled by day", "fillable by day", "fillable"]
    assert parts[0].end == parts[1].start == floor_to(begin, day) + day


def test_gaps_are_per_currency_and_only_of_late_baskets(bench: Bench, box: Sandbox) -> None:
    labels = [(gap.basket, gap.currency) for gap in gaps(bench, box)]
    assert labels == [("core", "USD"), ("euros", "USD"), ("euros", "EUR")]


def test_no_request_uses_quota(bench: Bench, box: Sandbox) -> None:
    before = len(box.requests)
    gaps(bench, box)
    assert len(box.requests) == before
    gaps(with_tier(bench, "auto"), box)
    assert [entry.path for entry in box.requests.since(before)] == ["/v1/account/key"]


def test_since_before_the_first_run_finds_lost_and_fillable_parts(
    bench: Bench, box: Sandbox, gap_span: tuple[datetime, datetime]
) -> None:
    before, _ = gaps(bench, box, "core", since=gap_span[0] - DAYS_40)
    retained_from = box.clock.now() - timedelta(days=35)
    lost, fillable = before.pieces
    assert (before.start, before.end, before.cause) == (gap_span[0] - DAYS_40, gap_span[0], "absent")
    assert (lost.start, lost.what, lost.why) == (before.start, "lost", "older than 35 days")
    assert (fillable.start, fillable.end, fillable.what) == (lost.end, before.end, "fillable")
    assert timedelta(0) <= lost.end - retained_from - RETENTION_MARGIN < timedelta(minutes=5)
    (request,) = fill_requests(bench.settings, [before])
    assert (request.start, request.end) == (fillable.start, fillable.end)
    with pytest.raises(ConfigError, match="is in the future"):
        gaps(bench, box, since=gap_span[1])


def test_gap_is_lost_on_a_tier_without_history(
    bench: Bench, box: Sandbox, gap_span: tuple[datetime, datetime]
) -> None:
    (gap,) = gaps(with_tier(bench, "free"), box, "core")
    why = "the free tier has no price history; it has candles of 1d, 30 days back"
    assert gap.pieces == (GapPart(*gap_span, "lost", why),)
    assert fill_requests(bench.settings, [gap]) == []


def test_command_prints_the_gap_and_the_command_that_fills_it(bench: Bench) -> None:
    output = main_with("gaps", "--config", str(bench.config))
    assert (output.code, output.err) == (0, "")
    row = next(line for line in output.out.splitlines() if line.startswith("core"))
    for part in ("USD", "2h", "fillable", "absent"):
        assert part in row
    assert "core: the bids in its gaps are lost: the API keeps no history of bids" in output.out
    assert f"`floorline backfill --gaps --config {bench.config}` fills" in output.out.replace("\n", " ")


def test_json_has_every_part_and_the_command(bench: Bench) -> None:
    result = read_result(main_with("gaps", "--json", "--basket", "core", "--config", str(bench.config)).out)
    assert result["fill_command"] == f"floorline backfill --gaps --config {bench.config}"
    (gap,) = result["gaps"]
    assert (gap["basket"], gap["cause"], gap["runs"]) == ("core", "absent", [])
    (part,) = gap["pieces"]
    assert (part["start"], part["end"], part["what"]) == (gap["start"], gap["end"], "fillable")


def test_basket_without_a_gap(bench: Bench) -> None:
    table = ("gaps", "--basket", "table", "--config", str(bench.config))
    assert main_with(*table).out == "no gap: every basket was observed in time\n"
    assert read_result(main_with(*table, "--json").out) == {"gaps": [], "fill_command": None}


def record_backfill(bench: Bench, box: Sandbox, item_id: str, *, start: datetime, end: datetime) -> None:
    """Record a finished backfill of one item."""
    shard = SeriesShard("USD", start, end, item=Item(item_id, "an item", None), provider="csfloat")
    finished_backfill(BackfillStore(bench.paths), shard, observed_at=box.clock.now() + TEN)


def read_catalog(bench: Bench) -> pl.DataFrame:
    return pl.read_ipc(bench.paths.catalog / "cs2cap" / "items.arrow")


def test_part_that_backfills_cover_for_every_item_is_filled(
    bench: Bench, box: Sandbox, gap_span: tuple[datetime, datetime]
) -> None:
    start, end = gap_span
    middle = start + 3 * TEN
    first, second = (
        str(item.item_id) for item in resolve_items([REDLINE, ASIIMOV], read_catalog(bench)) or ()
    )
    record_backfill(bench, box, first, start=start, end=end)
    assert gaps(bench, box, "euros")[0].pieces == (GapPart(start, end, "fillable"),)
    record_backfill(bench, box, second, start=start, end=middle)
    gap, euros = gaps(bench, box, "euros")
    assert gap.pieces == (GapPart(start, middle, "filled"), GapPart(middle, end, "fillable"))
    assert euros.pieces == (GapPart(start, end, "lost", WHY_INEXACT),)
    assert [(request.start, request.end) for request in fill_requests(bench.settings, [gap])] == [
        (middle, end)
    ]


def test_gap_in_a_converted_currency_is_lost(
    bench: Bench, box: Sandbox, gap_span: tuple[datetime, datetime]
) -> None:
    _, euros = gaps(bench, box, "euros")
    assert (euros.currency, euros.pieces) == ("EUR", (GapPart(*gap_span, "lost", WHY_INEXACT),))
    assert fill_requests(bench.settings, [euros]) == []
    output = main_with("gaps", "--basket", "euros", "--config", str(bench.config)).out
    assert "the API's history is exact in USD only" in " ".join(output.split())
    _, euros = gaps(with_tier(bench, "free"), box, "euros")
    assert [(part.what, part.why[:37]) for part in euros.pieces] == [
        ("lost", "the free tier has no price history; i")
    ]


@pytest.mark.slow
def test_failed_runs_explain_the_gap_and_an_open_gap_is_fillable_up_to_the_grid(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    bench = Bench.at(tmp_path, sandbox, basket(every="10m"), source={"tier": "pro"})
    observe_after(bench, sandbox, timedelta(0))
    sandbox.key(VALID_KEY, "revoked")
    observe_after(bench, sandbox, TEN)
    sandbox.advance(53 * 60)
    (gap,) = gaps(bench, sandbox)
    ((run_id,),) = bench.query("SELECT run_id FROM runs WHERE state = 'auth_failed'")
    end = NOON + timedelta(minutes=60)
    assert (gap.start, gap.end) == (NOON, end + timedelta(minutes=3))
    assert gap.pieces == (GapPart(NOON, end, "fillable"), GapPart(end, gap.end, "too new"))
    assert (gap.cause, gap.runs) == ("failed", (run_id,))
    assert "AUTH_API_KEY_REVOKED" in gap.reasons[0]


@pytest.mark.slow
def test_source_without_history_gets_no_request(tmp_path: Path, sandbox: Sandbox) -> None:
    bench = configure_both_sources(tmp_path, sandbox, skinshark_basket(every="10m"))
    observe_after(bench, sandbox, timedelta(0), TWO_HOURS)
    before = len(sandbox.requests)
    (gap,) = gaps(bench, sandbox)
    why = "skinshark has no price history"
    assert [(part.what, part.why) for part in gap.pieces] == [("lost", why)]
    assert len(sandbox.requests) == before


def test_unknown_basket_and_missing_database_are_usage_errors(
    tmp_path: Path, make_sandbox: MakeSandbox
) -> None:
    bench = Bench.create(tmp_path, {"cs2cap": "http://127.0.0.1:9"}, basket(every="10m"))
    unknown = main_with("gaps", "--basket", "cores", "--config", str(bench.config))
    assert (unknown.code, "no basket is called cores" in unknown.err) == (2, True)
    empty = main_with("gaps", "--config", str(bench.config))
    assert (empty.code, "there is no database at" in empty.err) == (2, True)
