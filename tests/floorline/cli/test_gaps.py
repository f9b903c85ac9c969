"""`floorline gaps`: when a basket was not looked at, why, and what of it is filled, fillable or lost."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from common.errors import ConfigError
from common.shards import Item, SeriesShard
from common.time_ranges import floor_to
from pipelines.backfill.gaps import RETENTION_MARGIN, Gap, GapPart, fill_requests, find_gaps
from pipelines.planning.selectors import resolve_items
from sandbox.core import Sandbox
from sandbox.cs2cap.keys import VALID_KEY
from sandbox.options import Options
from sandbox.server import serve
from tests.support.backfill_state import finished_backfill
from tests.support.clocks import NOON, SandboxClock
from tests.support.sandboxes import MakeSandbox
from tests.support.skinshark import configure_both_sources, skinshark_basket
from tests.support.snapshots import ASIIMOV, REDLINE, Bench, basket, main_with
from warehouse.state.backfills import BackfillStore

TEN, TWO_HOURS, DAYS_40 = timedelta(minutes=10), timedelta(hours=2), timedelta(days=40)
BASKETS = (
    basket(every="10m", bids=True, route="batch"),
    basket("euros", every="10m", currencies=["USD", "EUR"]),
    basket("table", every="3h", currencies=["USD", "EUR"], fx="table"),
)


def looked(bench: Bench, box: Sandbox, *after: timedelta) -> None:
    """Take a snapshot after each of these spans."""
    for step in after:
        box.advance(step.total_seconds())
        bench.snapshot(clock=SandboxClock(box))


def gaps(bench: Bench, box: Sandbox, *names: str, since: datetime | None = None) -> list[Gap]:
    told: list[str] = []
    found = asyncio.run(
        find_gaps(bench.settings, SandboxClock(box), names, since=since, on_request=told.append)
    )
    assert told == []  # nothing was paid for
    return found


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    """A market whose clock the command shares, but for what is left of the hour's quarter."""
    begin = floor_to(datetime.now(UTC), TEN) - TWO_HOURS
    with serve(Options(items=300, frozen=begin, refresh=0, limits=False)) as box:
        yield box


@pytest.fixture(scope="module")
def bench(box: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """Two looks by three baskets, two hours between them."""
    bench = Bench.at(tmp_path_factory.mktemp("hole"), box, *BASKETS, source={"tier": "pro"})
    looked(bench, box, timedelta(0), TWO_HOURS)
    return bench


@pytest.fixture
def hole(box: Sandbox, bench: Bench) -> tuple[datetime, datetime]:
    """The two hours without a look."""
    return box.clock.now() - TWO_HOURS, box.clock.now()


def on(bench: Bench, tier: str) -> Bench:
    """The same warehouse, with another plan at the source."""
    config = bench.folder / f"{tier}.toml"
    config.write_text(bench.config.read_text("utf-8").replace('tier = "pro"', f'tier = "{tier}"'), "utf-8")
    return Bench(bench.folder, config)


def test_a_hole_between_looks_is_named_and_fillable(
    bench: Bench, box: Sandbox, hole: tuple[datetime, datetime]
) -> None:
    (gap,) = gaps(bench, box, "core")
    assert (gap.basket, gap.source, gap.currency, gap.bids_lost) == ("core", "cs2cap", "USD", True)
    assert ((gap.start, gap.end), gap.cause, gap.runs) == (hole, "absent", ())
    assert gap.pieces == (GapPart(*hole, "fillable"),)
    (asked,) = fill_requests(bench.settings, [gap])
    assert (asked.series, asked.source, asked.currency) == ("points", "cs2cap", "USD")
    assert ((asked.start, asked.end), asked.providers) == (hole, ("steam",))
    assert REDLINE in asked.items


def test_each_currency_has_gaps_of_its_own_a_table_needs_but_one_and_who_looks_in_time_has_none(
    bench: Bench, box: Sandbox
) -> None:
    found = [(gap.basket, gap.currency) for gap in gaps(bench, box)]
    assert found == [("core", "USD"), ("euros", "USD"), ("euros", "EUR")]


def test_no_request_that_counts_is_sent(bench: Bench, box: Sandbox) -> None:
    before = len(box.requests)
    gaps(bench, box)
    assert len(box.requests) == before
    gaps(on(bench, "auto"), box)
    assert [entry.path for entry in box.requests.since(before)] == ["/v1/account/key"]


def test_since_asks_about_the_time_before_the_first_run_and_what_is_too_old_is_lost(
    bench: Bench, box: Sandbox, hole: tuple[datetime, datetime]
) -> None:
    before, _ = gaps(bench, box, "core", since=hole[0] - DAYS_40)
    kept = box.clock.now() - timedelta(days=35)
    lost, fillable = before.pieces
    assert (before.start, before.end, before.cause) == (hole[0] - DAYS_40, hole[0], "absent")
    assert (lost.start, lost.what, lost.why) == (before.start, "lost", "older than 35 days")
    assert (fillable.start, fillable.end, fillable.what) == (lost.end, before.end, "fillable")
    assert timedelta(0) <= lost.end - kept - RETENTION_MARGIN < timedelta(minutes=5)
    (asked,) = fill_requests(bench.settings, [before])
    assert (asked.start, asked.end) == (fillable.start, fillable.end)
    with pytest.raises(ConfigError, match="is in the future"):
        gaps(bench, box, since=hole[1])


def test_all_is_lost_on_a_tier_without_history(
    bench: Bench, box: Sandbox, hole: tuple[datetime, datetime]
) -> None:
    (gap,) = gaps(on(bench, "free"), box, "core")
    why = "the free tier has no price history; it has candles of 1d, 30 days back"
    assert gap.pieces == (GapPart(*hole, "lost", why),)
    assert fill_requests(bench.settings, [gap]) == []


def test_the_command_shows_the_hole_and_what_fills_it(bench: Bench) -> None:
    said = main_with("gaps", "--config", str(bench.config))
    assert (said.code, said.err) == (0, "")
    row = next(line for line in said.out.splitlines() if line.startswith("core"))
    for part in ("USD", "2h", "fillable", "absent"):
        assert part in row
    assert "core: the bids in its gaps are lost: the API keeps no history of bids" in said.out
    assert f"`floorline backfill --gaps --config {bench.config}` fills" in said.out.replace("\n", " ")


def test_as_json_it_has_every_piece_and_the_command(bench: Bench) -> None:
    told = json.loads(main_with("gaps", "--json", "--basket", "core", "--config", str(bench.config)).out)
    assert told["fill"] == f"floorline backfill --gaps --config {bench.config}"
    (gap,) = told["gaps"]
    assert (gap["basket"], gap["cause"], gap["runs"]) == ("core", "absent", [])
    (piece,) = gap["pieces"]
    assert (piece["start"], piece["end"], piece["what"]) == (gap["start"], gap["end"], "fillable")


def test_who_has_no_gap_is_told_so(bench: Bench) -> None:
    table = ("gaps", "--basket", "table", "--config", str(bench.config))
    assert main_with(*table).out == "no gap: every basket was observed in time\n"
    assert json.loads(main_with(*table, "--json").out) == {"gaps": [], "fill": None}


def held(bench: Bench, box: Sandbox, item_id: str, start: datetime, end: datetime) -> None:
    """Note a shard that is read whole."""
    ask = SeriesShard("EUR", start, end, Item(item_id, "an item", None), "steam")
    finished_backfill(BackfillStore(bench.home.state), ask, observed_at=box.clock.now() + TEN)


def catalog(bench: Bench) -> pl.DataFrame:
    return pl.read_ipc(bench.home.catalog / "cs2cap" / "items.arrow")


def test_what_backfills_brought_of_every_item_is_filled(
    bench: Bench, box: Sandbox, hole: tuple[datetime, datetime]
) -> None:
    start, end = hole
    middle = start + 3 * TEN
    first, second = (str(item.item_id) for item in resolve_items([REDLINE, ASIIMOV], catalog(bench)) or ())
    held(bench, box, first, start, end)
    assert gaps(bench, box, "euros")[1].pieces == (GapPart(start, end, "fillable"),)
    held(bench, box, second, start, middle)
    left = gaps(bench, box, "euros")[1]
    assert left.pieces == (GapPart(start, middle, "filled"), GapPart(middle, end, "fillable"))
    assert [(one.start, one.end) for one in fill_requests(bench.settings, [left])] == [(middle, end)]


def test_runs_in_the_hole_say_why_and_one_that_goes_on_is_fillable_up_to_the_grid(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    bench = Bench.at(tmp_path, sandbox, basket(every="10m"), source={"tier": "pro"})
    looked(bench, sandbox, timedelta(0))
    sandbox.key(VALID_KEY, "revoked")
    looked(bench, sandbox, TEN)
    sandbox.advance(53 * 60)
    (gap,) = gaps(bench, sandbox)
    ((run_id,),) = bench.ask("SELECT run_id FROM runs WHERE state = 'auth_failed'")
    end = NOON + timedelta(minutes=60)
    assert (gap.start, gap.end) == (NOON, end + timedelta(minutes=3))
    assert gap.pieces == (GapPart(NOON, end, "fillable"), GapPart(end, gap.end, "too new"))
    assert (gap.cause, gap.runs) == ("failed", (run_id,))
    assert "AUTH_API_KEY_REVOKED" in gap.reasons[0]


def test_a_source_that_tells_nothing_of_the_past_is_not_asked(tmp_path: Path, sandbox: Sandbox) -> None:
    bench = configure_both_sources(tmp_path, sandbox, skinshark_basket(every="10m"))
    looked(bench, sandbox, timedelta(0), TWO_HOURS)
    before = len(sandbox.requests)
    (gap,) = gaps(bench, sandbox)
    why = "skinshark has no price history"
    assert [(piece.what, piece.why) for piece in gap.pieces] == [("lost", why)]
    assert len(sandbox.requests) == before


def test_an_unknown_basket_and_a_warehouse_without_a_run_are_told(
    tmp_path: Path, make_sandbox: MakeSandbox
) -> None:
    bench = Bench.written(tmp_path, {"cs2cap": "http://127.0.0.1:9"}, basket(every="10m"))
    unknown = main_with("gaps", "--basket", "cores", "--config", str(bench.config))
    assert (unknown.code, "no basket is called cores" in unknown.err) == (2, True)
    empty = main_with("gaps", "--config", str(bench.config))
    assert (empty.code, "there is no database at" in empty.err) == (2, True)
