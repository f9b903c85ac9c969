"""A backfill brings exactly what the market had, once: again, it asks only for what is new since."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from urllib.parse import parse_qsl

import pytest
from filelock import FileLock

from common.errors import WarehouseLocked
from tests.support.backfills import (
    DAY,
    bench_at,
    history_requests,
    loaded_points,
    market_points,
    plan_backfill,
    points_request,
    run_backfill,
)
from tests.support.clocks import NOON
from tests.support.sandboxes import MakeSandbox
from warehouse.state.backfills import BackfillStore

ITEMS = tuple(range(1, 7))
MANY = 200


@pytest.mark.slow
def test_the_points_are_the_markets_own(tmp_path: Path, make_sandbox: MakeSandbox) -> None:
    box = make_sandbox()
    bench = bench_at(tmp_path, box)
    result = run_backfill(bench, box, points_request(*ITEMS, days=2))
    assert (result.state, result.exit_code, result.hint) == ("done", 0, "")
    assert (result.shards_done, result.shards_broken, result.shards_left) == (len(ITEMS), 0, 0)
    assert loaded_points(bench) == market_points(box, ITEMS, NOON - 2 * DAY, NOON)
    assert result.rows == result.rows_new == len(loaded_points(bench)) > 1000
    assert result.requests == len(history_requests(box)) + 2  # and the catalogs of items and marketplaces


def test_again_it_costs_nothing_and_later_only_what_came_since(
    tmp_path: Path, make_sandbox: MakeSandbox
) -> None:
    box = make_sandbox()
    bench = bench_at(tmp_path, box)
    run_backfill(bench, box, points_request(*ITEMS))
    before = loaded_points(bench)
    again = run_backfill(bench, box, points_request(*ITEMS))
    assert (again.state, again.requests, again.rows_new) == ("done", 0, 0)
    assert loaded_points(bench) == before
    box.advance(1800)
    box.move(50)
    box.advance(1800)
    later = run_backfill(bench, box, points_request(*ITEMS))
    assert later.requests == len(ITEMS)
    assert loaded_points(bench) == market_points(box, ITEMS, NOON - DAY, NOON + timedelta(hours=1))


@pytest.mark.slow
def test_what_another_backfill_holds_is_not_asked_for_again(
    tmp_path: Path, make_sandbox: MakeSandbox
) -> None:
    box = make_sandbox()
    bench = bench_at(tmp_path, box)
    run_backfill(bench, box, points_request(*ITEMS, end=NOON - DAY / 2))
    since = len(box.requests.since(0))
    wider = run_backfill(bench, box, points_request(1, 7, days=2, providers=("steam", "buff163")))
    assert wider.state == "done"
    windows = [dict(parse_qsl(entry.query)) for entry in history_requests(box, since)]
    around = [(w["item_id"], w.get("provider"), w["start"][5:16], w["end"][5:16]) for w in windows]
    lacking = [
        ("1", "05-30T12:00", "05-31T12:00"),
        ("1", "06-01T00:00", "06-01T12:00"),
        ("7", "05-30T12:00", "06-01T12:00"),
    ]
    assert sorted(around) == sorted(
        (item, key, start, end) for item, start, end in lacking for key in ("steam", "buff163")
    )
    assert [p for p in loaded_points(bench) if p[1] == "7"] == [
        p for p in market_points(box, [7], NOON - 2 * DAY, NOON) if p[0] in {"steam", "buff163"}
    ]


@pytest.mark.slow
def test_each_leg_is_a_run_of_its_own_and_loaded_while_the_next_is_fetched(
    tmp_path: Path, make_sandbox: MakeSandbox
) -> None:
    box = make_sandbox()
    bench = bench_at(tmp_path, box, concurrency=2)
    result = run_backfill(bench, box, points_request(*ITEMS), micro_batch_seconds=0)
    assert loaded_points(bench) == market_points(box, ITEMS, NOON - DAY, NOON)
    runs = bench.ask("SELECT flow, basket, state, requests, rows_fetched FROM runs ORDER BY run_id")
    assert len(runs) == len(ITEMS) + 1 == len(result.runs)  # and one for the catalogs
    assert {run[:3] for run in runs} == {("backfill", result.backfill_id, "done")}
    assert sum(run[3] for run in runs) == result.requests
    assert sum(run[4] for run in runs) == result.rows


@pytest.mark.slow
def test_a_long_shard_is_loaded_piece_by_piece(tmp_path: Path, make_sandbox: MakeSandbox) -> None:
    box = make_sandbox(history="dense")
    bench = bench_at(tmp_path, box)
    stopped = run_backfill(bench, box, points_request(1, 2, days=0.5, budget=5), micro_batch_seconds=0)
    result = run_backfill(bench, box, points_request(1, 2, days=0.5), micro_batch_seconds=0)
    assert (result.state, result.shards_done) == ("done", 2)
    landed = bench.ask("SELECT count(*) FROM runs WHERE rows_fetched > 0")[0][0]
    assert landed == len(history_requests(box)) == stopped.requests - 2 + result.requests > 4
    assert loaded_points(bench) == market_points(box, [1, 2], NOON - DAY / 2, NOON)


@pytest.mark.slow
def test_catalogs_that_came_on_the_way_are_kept(tmp_path: Path, make_sandbox: MakeSandbox) -> None:
    box = make_sandbox()
    bench = bench_at(tmp_path, box)
    run_backfill(bench, box, points_request(1))
    assert bench.ask("SELECT count(*) FROM items WHERE item_type IS NOT NULL") == [(300,)]
    assert bench.ask("SELECT count(*) > 30 FROM providers WHERE market_type IS NOT NULL") == [(True,)]


@pytest.mark.slow
def test_candles_and_sales_come_by_the_same_way(tmp_path: Path, make_sandbox: MakeSandbox) -> None:
    box = make_sandbox()
    bench = bench_at(tmp_path, box)
    candles = run_backfill(bench, box, points_request(*ITEMS, days=3, series="candles", interval="1h"))
    assert (candles.state, candles.requests) == ("done", len(ITEMS) + 2)
    assert bench.ask("SELECT count(*), count(DISTINCT item_id) FROM candles") == [(candles.rows, len(ITEMS))]
    sales = run_backfill(bench, box, points_request(days=4, series="sales", items=("all",)))
    told = box.sales().filter((box.sales()["time"] >= NOON - 4 * DAY) & (box.sales()["time"] < NOON))
    assert sales.state == "done"
    assert bench.ask("SELECT count(*) FROM sales") == [(told.height,)]


@pytest.mark.slow
def test_a_plan_tells_the_cost_and_spends_nothing(tmp_path: Path, make_sandbox: MakeSandbox) -> None:
    box = make_sandbox()
    bench = bench_at(tmp_path, box)
    run_backfill(bench, box, points_request(1))
    since = len(box.requests.since(0))
    made = plan_backfill(bench, box, points_request(*ITEMS))
    assert [entry.path for entry in box.requests.since(since)] == ["/v1/account/key"]
    assert (made.shards, made.at_least) == (5, 5)
    result = run_backfill(bench, box, points_request(*ITEMS))
    assert made.at_least <= result.requests <= (made.at_most or 0)


@pytest.mark.slow
def test_while_another_loader_is_busy_it_goes_on_and_what_it_brought_waits(
    tmp_path: Path, make_sandbox: MakeSandbox
) -> None:
    box = make_sandbox()
    bench = bench_at(tmp_path, box, warehouse={"lock_wait": "0s"})
    bench.home.prepare()
    with FileLock(bench.home.lock), pytest.raises(WarehouseLocked):
        run_backfill(bench, box, points_request(*ITEMS), micro_batch_seconds=0)
    assert len(history_requests(box)) >= len(ITEMS)
    (kept,) = BackfillStore(bench.home.state).list_all()
    assert (kept.state, kept.done) == ("done", len(ITEMS))
    again = run_backfill(bench, box, points_request(*ITEMS))
    assert again.requests == 0
    assert loaded_points(bench) == market_points(box, ITEMS, NOON - DAY, NOON)


@pytest.mark.slow
def test_what_the_api_is_about_to_drop_is_left_out_and_breaks_nothing(
    tmp_path: Path, make_sandbox: MakeSandbox
) -> None:
    box = make_sandbox()
    bench = bench_at(tmp_path, box)
    edge = NOON - 35 * DAY
    stopped = run_backfill(bench, box, points_request(1, 2, 3, start=edge, end=edge + DAY, budget=3))
    assert stopped.state == "stopped"
    box.advance(3600)
    result = run_backfill(bench, box, points_request(1, 2, 3, start=edge, end=edge + DAY))
    assert (result.state, result.shards_done) == ("done", 3)
    kept = edge + timedelta(minutes=75)
    assert [p for p in loaded_points(bench) if p[2] >= kept] == market_points(
        box, [1, 2, 3], kept, edge + DAY
    )


@pytest.mark.slow
def test_fourteen_days_of_two_hundred_items(tmp_path: Path, make_sandbox: MakeSandbox) -> None:
    box = make_sandbox()
    bench = bench_at(tmp_path, box)
    items = tuple(range(1, MANY + 1))
    result = run_backfill(bench, box, points_request(*items, days=14))
    assert result.state == "done"
    assert loaded_points(bench) == market_points(box, items, NOON - 14 * DAY, NOON)
    assert result.rows_new > 300_000
    again = run_backfill(bench, box, points_request(*items, days=14))
    assert (again.requests, again.rows_new) == (0, 0)
    box.advance(3600)
    box.move(500)
    box.advance(600)
    later = run_backfill(bench, box, points_request(*items, days=14))
    assert later.requests == MANY
    assert loaded_points(bench) == market_points(box, items, NOON - 14 * DAY, NOON + timedelta(seconds=4200))
