"""An invalid cursor, a rejected request or a dead source: which shards break, and what a retry requests."""

from __future__ import annotations

import asyncio
import os
import re
from io import BytesIO
from pathlib import Path

import polars as pl
import pytest

from common.files import write_checked
from pipelines.backfill.pipeline import BackfillPipeline
from sandbox.core import Sandbox
from tests.support.backfills import (
    DAY,
    bench_at,
    history_requests,
    list_shards,
    loaded_points,
    market_points,
    points_request,
    run_backfill,
)
from tests.support.clocks import NOON, VirtualClock
from tests.support.sandboxes import MakeSandbox
from tests.support.snapshots import Bench

ITEMS = (1, 2, 3)
REQUEST = points_request(*ITEMS, days=0.5)
CURSOR = r"cursor \S{8,}"
MESSAGES = {
    "cursor_expired": rf"{CURSOR}, to which {CURSOR} led, was refused: cursor has expired",
    "cursor_repeats": rf"{CURSOR} led to {CURSOR}, which was requested before",
    "cursor_goes_round": rf"{CURSOR}, to which {CURSOR} led, returned a page that starts at .* had reached",
}


@pytest.fixture
def box(make_sandbox: MakeSandbox) -> Sandbox:
    """Return a sandbox with about three pages per item and half a day."""
    return make_sandbox(history="dense")


def break_cursor(box: Sandbox, kind: str) -> None:
    """Make the second cursor of one item fail."""
    box.fault(kind, path="/v1/prices/history", match={"item_id": "2"}, after=1, times=None)


def check_only_broken_shard_is_retried(bench: Bench, box: Sandbox) -> None:
    """Check that a retry without the fault requests only the broken shard, from where it broke."""
    box.faults.clear()
    since = len(box.requests.since(0))
    result = run_backfill(bench, box, REQUEST)
    assert (result.state, result.exit_code) == ("done", 0)
    assert {re.search(r"item_id=(\d+)", entry.query)[1] for entry in history_requests(box, since)} == {"2"}  # type: ignore[index]
    assert all("end=2026-06-01T12" not in entry.query for entry in history_requests(box, since))
    assert loaded_points(bench) == market_points(box, ITEMS, NOON - DAY / 2, NOON)


@pytest.mark.parametrize(
    "kind",
    ["cursor_expired", *(pytest.param(k, marks=pytest.mark.slow) for k in MESSAGES if k != "cursor_expired")],
)
def test_invalid_cursor_breaks_only_its_shard(tmp_path: Path, box: Sandbox, kind: str) -> None:
    bench = bench_at(tmp_path, box)
    break_cursor(box, kind)
    result = run_backfill(bench, box, REQUEST)
    assert (result.state, result.exit_code) == ("incomplete", 3)
    assert (result.shards_done, result.shards_broken, result.shards_left) == (2, 1, 0)
    assert [(one.state, bool(one.reason)) for one in list_shards(bench, result)] == [
        ("done", False),
        ("broken", True),
        ("done", False),
    ]
    (reason,) = result.broken
    assert re.search(MESSAGES[kind], reason)
    assert result.backfill_id in result.hint
    assert len(loaded_points(bench)) == result.rows_new > 0
    check_only_broken_shard_is_retried(bench, box)


@pytest.mark.slow
def test_rejected_request_breaks_only_its_shard(tmp_path: Path, box: Sandbox) -> None:
    bench = bench_at(tmp_path, box)
    box.fault("status_500", path="/v1/prices/history", match={"item_id": "2"}, times=None, status=404)
    result = run_backfill(bench, box, REQUEST)
    assert (result.state, result.shards_done, result.shards_broken) == ("incomplete", 2, 1)
    assert bench.alerts() == []  # the result names the broken shard
    assert bench.query("SELECT count(*) FROM runs WHERE state = 'incomplete'") == [(1,)]
    check_retry_completes(bench, box)


def check_retry_completes(bench: Bench, box: Sandbox) -> None:
    """Check that a retry without the fault loads all points."""
    box.faults.clear()
    assert run_backfill(bench, box, REQUEST).state == "done"
    assert loaded_points(bench) == market_points(box, ITEMS, NOON - DAY / 2, NOON)


@pytest.mark.slow
def test_unknown_providers_raise_one_alert(tmp_path: Path, box: Sandbox) -> None:
    bench = bench_at(tmp_path, box)
    run_backfill(bench, box, points_request(9))
    catalog = bench.paths.catalog / "cs2cap" / "providers.arrow"
    at = NOON.timestamp()
    known = pl.read_ipc(catalog.read_bytes()).filter(~pl.col("provider").is_in(["steam", "buff163"]))
    content = BytesIO()
    known.write_ipc(content)
    write_checked(catalog, content.getvalue())
    os.utime(catalog, (at, at))
    result = run_backfill(bench, box, REQUEST)
    assert result.state == "done"
    assert result.rows_rejected > 0
    (alert,) = bench.alerts()
    assert (alert.cause, alert.subject) == ("contract.changed", "providers")
    assert "Steam" in alert.message
    assert result.rows_rejected == bench.query("SELECT count(*) FROM rejects")[0][0]


@pytest.mark.slow
def test_extraction_stops_after_consecutive_failures(tmp_path: Path, make_sandbox: MakeSandbox) -> None:
    box = make_sandbox()
    bench = bench_at(tmp_path, box)
    run_backfill(bench, box, points_request(1))
    box.fault("unavailable", path="/v1/prices/history", times=None)
    clock = VirtualClock()
    result = asyncio.run(BackfillPipeline(bench.settings, points_request(*range(2, 60)), clock).run())
    assert (result.state, result.exit_code) == ("incomplete", 3)
    assert result.shards_broken < 58 / 2
    assert "shards were left: the source does not answer" in " ".join(result.broken)
    box.faults.clear()
    assert run_backfill(bench, box, points_request(*range(2, 60))).shards_done == 58
