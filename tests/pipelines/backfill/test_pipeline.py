"""A backfill loads exactly the points of the market; a repeated run requests only what is new."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from urllib.parse import parse_qsl

import pytest
from filelock import FileLock

from common.warehouse_errors import WarehouseLocked
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
MANY_ITEMS = 60


@pytest.mark.slow
def test_loaded_points_equal_the_market(tmp_path: Path, make_sandbox: MakeSandbox) -> None:
    box = make_sandbox()
    bench = bench_at(tmp_path, box)
    result = run_backfill(bench, box, points_request(*ITEMS, days=2))
    assert (result.state, result.exit_code, result.hint) == ("done", 0, "")
    assert (result.shards_done, result.shards_broken, result.shards_left) == (len(ITEMS), 0, 0)
    assert loaded_points(bench) == market_points(box, ITEMS, NOON - 2 * DAY, NOON)
    assert result.rows == result.rows_new == len(loaded_points(bench)) > 1000
    assert result.requests == len(history_requests(box)) + 2  # two for the catalogs of items and marketplaces


@pytest.mark.slow
def test_repeated_run_requests_only_what_is_new(tmp_path: Path, make_sandbox: MakeSandbox) -> None:
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
def test_time_covered_by_another_backfill_is_not_requested(tmp_path: Path, make_sandbox: MakeSandbox) -> None:
    box = make_sandbox()
    bench = bench_at(tmp_path, box)
    run_backfill(bench, box, points_request(*ITEMS))
    since = len(box.requests.since(0))
    wider = run_backfill(bench, box, points_request(1, 7, days=2, providers=("steam", "buff163")))
    assert wider.state == "done"
    windows = [dict(parse_qsl(entry.query)) for entry in history_requests(box, since)]
    requested = [(w["item_id"], w.get("provider"), w["start"][5:16], w["end"][5:16]) for w in windows]
    missing = [
        ("1", "05-30T12:00", "05-31T12:00"),
        ("7", "05-30T12:00", "06-01T12:00"),
    ]
    assert sorted(requested) == sorted(
        (item, key, start, end) for item, start, end in missing for key in ("steam", "buff163")
    )
    assert [p for p in loaded_points(bench) if p[1] == "7"] == [
        p for p in market_points(box, [7], NOON - 2 * DAY, NOON) if p[0] in {"steam", "buff163"}
    ]


@pytest.mark.slow
def test_each_micro_batch_is_a_run_of_its_own(tmp_path: Path, make_sandbox: MakeSandbox) -> None:
    box = make_sandbox()
    bench = bench_at(tmp_path, box, concurrency=2)
    result = run_backfill(bench, box, points_request(*ITEMS), micro_batch_seconds=0)
    assert loaded_points(bench) == market_points(box, ITEMS, NOON - DAY, NOON)
    runs = bench.query("SELECT flow, basket, state, requests, rows_fetched FROM runs ORDER BY run_id")
    assert len(runs) == len(ITEMS) + 1 == len(result.runs)  # one for the catalogs
    assert {run[:3] for run in runs} == {("backfill", result.backfill_id, "done")}
    assert sum(run[3] for run in runs) == result.requests
    assert sum(run[4] for run in runs) == result.rows


@pytest.mark.slow
def test_long_shard_is_loaded_in_several_micro_batches(tmp_path: Path, make_sandbox: MakeSandbox) -> None:
    box = make_sandbox(history="dense")
    bench = bench_at(tmp_path, box)
    stopped = run_backfill(bench, box, points_request(1, 2, days=0.5, budget=5), micro_batch_seconds=0)
    result = run_backfill(bench, box, points_request(1, 2, days=0.5), micro_batch_seconds=0)
    assert (result.state, result.shards_done) == ("done", 2)
    landed = bench.query("SELECT count(*) FROM runs WHERE rows_fetched > 0")[0][0]
    assert landed == len(history_requests(box)) == stopped.requests - 2 + result.requests > 4
    assert loaded_points(bench) == market_points(box, [1, 2], NOON - DAY / 2, NOON)


@pytest.mark.slow
def test_fetched_catalogs_are_loaded(tmp_path: Path, make_sandbox: MakeSandbox) -> None:
    box = make_sandbox()
    bench = bench_at(tmp_path, box)
    run_backfill(bench, box, points_request(1))
    assert bench.query("SELECT count(*) FROM items WHERE item_type IS NOT NULL") == [(300,)]
    assert bench.query("SELECT count(*) > 30 FROM providers WHERE market_type IS NOT NULL") == [(True,)]


@pytest.mark.slow
def test_candles_and_sales_are_backfilled_like_points(tmp_path: Path, make_sandbox: MakeSandbox) -> None:
    box = make_sandbox()
    bench = bench_at(tmp_path, box)
    candles = run_backfill(bench, box, points_request(*ITEMS, days=3, series="candles", interval="1h"))
    assert (candles.state, candles.requests) == ("done", len(ITEMS) + 2)
    assert bench.query("SELECT count(*), count(DISTINCT item_id) FROM candles") == [
        (candles.rows, len(ITEMS))
    ]
    sales = run_backfill(bench, box, points_request(days=4, series="sales", items=("all",)))
    market_sales = box.sales().filter((box.sales()["time"] >= NOON - 4 * DAY) & (box.sales()["time"] < NOON))
    assert sales.state == "done"
    assert bench.query("SELECT count(*) FROM sales") == [(market_sales.height,)]


def test_daily_points_equal_the_market_and_are_asked_for_once(
    tmp_path: Path, make_sandbox: MakeSandbox
) -> None:
    box = make_sandbox(tier="quant", items=20)
    bench = bench_at(tmp_path, box, tier="quant")
    start = NOON - 400 * DAY
    request = points_request(*ITEMS, start=start, series="daily")
    result = run_backfill(bench, box, request)
    assert (result.state, result.requests) == ("done", len(ITEMS) + 2)
    query = "SELECT provider, item_id::INTEGER, day, amount, quantity FROM daily_points ORDER BY ALL"
    columns = ("provider", "item_id", "day", "price", "quantity")
    midnight = NOON.replace(hour=0)  # a day that is not over has no closing price
    expected = box.daily(ITEMS, start=start, end=midnight)
    assert bench.query(query) == sorted(expected.select(columns).rows())
    assert run_backfill(bench, box, request).requests == 0
    box.advance(86_400)
    box.move(40, item_ids=list(ITEMS))
    plan = plan_backfill(bench, box, request)
    assert (plan.at_least, plan.at_most, plan.expected) == (len(ITEMS), len(ITEMS), len(ITEMS))
    since = len(box.requests.since(0))
    assert run_backfill(bench, box, request).requests == len(ITEMS) + 2  # the catalogs are a day old
    asked = [dict(parse_qsl(entry.query)) for entry in box.requests.since(since)]
    assert {one["start"] for one in asked if "start" in one} == {"2026-06-01T00:00:00Z"}
    later = box.daily(ITEMS, start=start, end=midnight + DAY)
    assert bench.query(query) == sorted(later.select(columns).rows())


@pytest.mark.slow
def test_plan_estimates_the_cost_without_using_quota(tmp_path: Path, make_sandbox: MakeSandbox) -> None:
    box = make_sandbox()
    bench = bench_at(tmp_path, box)
    run_backfill(bench, box, points_request(1))
    since = len(box.requests.since(0))
    plan = plan_backfill(bench, box, points_request(*ITEMS))
    assert [entry.path for entry in box.requests.since(since)] == ["/v1/account/key"]
    assert (plan.shards, plan.at_least) == (5, 5)
    result = run_backfill(bench, box, points_request(*ITEMS))
    assert plan.at_least <= result.requests <= (plan.at_most or 0)


@pytest.mark.slow
def test_landings_wait_while_another_loader_holds_the_lock(tmp_path: Path, make_sandbox: MakeSandbox) -> None:
    box = make_sandbox()
    bench = bench_at(tmp_path, box, warehouse={"lock_wait": "0s"})
    bench.paths.prepare()
    with FileLock(bench.paths.lock), pytest.raises(WarehouseLocked):
        run_backfill(bench, box, points_request(*ITEMS), micro_batch_seconds=0)
    assert len(history_requests(box)) >= len(ITEMS)
    (record,) = BackfillStore(bench.paths).list_all()
    assert (record.state, record.done) == ("done", len(ITEMS))
    again = run_backfill(bench, box, points_request(*ITEMS))
    assert again.requests == 0
    assert loaded_points(bench) == market_points(box, ITEMS, NOON - DAY, NOON)


@pytest.mark.slow
def test_time_that_the_api_drops_soon_is_left_out(tmp_path: Path, make_sandbox: MakeSandbox) -> None:
    box = make_sandbox()
    bench = bench_at(tmp_path, box)
    retention_start = NOON - 35 * DAY
    stopped = run_backfill(
        bench, box, points_request(1, 2, 3, start=retention_start, end=retention_start + DAY, budget=3)
    )
    assert stopped.state == "stopped"
    box.advance(3600)
    result = run_backfill(
        bench, box, points_request(1, 2, 3, start=retention_start, end=retention_start + DAY)
    )
    assert (result.state, result.shards_done) == ("done", 3)
    start = retention_start + timedelta(minutes=75)
    loaded = [point for point in loaded_points(bench) if point[2] >= start]
    assert loaded == market_points(box, [1, 2, 3], start, retention_start + DAY)


@pytest.mark.slow
def test_two_weeks_of_sixty_items(tmp_path: Path, make_sandbox: MakeSandbox) -> None:
    box = make_sandbox()
    bench = bench_at(tmp_path, box)
    items = tuple(range(1, MANY_ITEMS + 1))
    result = run_backfill(bench, box, points_request(*items, days=14))
    assert result.state == "done"
    assert loaded_points(bench) == market_points(box, items, NOON - 14 * DAY, NOON)
    assert result.rows_new > 90_000
    again = run_backfill(bench, box, points_request(*items, days=14))
    assert (again.requests, again.rows_new) == (0, 0)
    box.advance(3600)
    box.move(500)
    box.advance(600)
    later = run_backfill(bench, box, points_request(*items, days=14))
    assert later.requests == MANY_ITEMS
    assert loaded_points(bench) == market_points(box, items, NOON - 14 * DAY, NOON + timedelta(seconds=4200))
