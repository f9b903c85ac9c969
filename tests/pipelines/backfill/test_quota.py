"""A used-up quota or a revoked key in the middle of a backfill: nothing is lost, and a retry resumes."""

from __future__ import annotations

from pathlib import Path

import pytest

from common.errors import KeyRevoked
from sandbox.core import Sandbox
from sandbox.cs2cap.keys import VALID_KEY
from tests.support.backfills import (
    DAY,
    bench_at,
    history_requests,
    loaded_points,
    market_points,
    points_request,
    run_backfill,
)
from tests.support.clocks import NOON
from tests.support.sandboxes import MakeSandbox

ITEMS = (1, 2, 3, 4)
REQUEST = points_request(*ITEMS, days=0.25)


@pytest.fixture
def box(make_sandbox: MakeSandbox) -> Sandbox:
    """Return a sandbox with two pages per item and a quarter of a day, and a quota."""
    return make_sandbox(history="dense", tier="pro", limits=True)


@pytest.mark.slow
def test_used_up_quota_stops_and_a_new_month_resumes(tmp_path: Path, box: Sandbox) -> None:
    bench = bench_at(tmp_path, box)
    box.keys.set_remaining(VALID_KEY, 7, box.clock.now())
    result = run_backfill(bench, box, REQUEST)
    assert (result.state, result.exit_code, result.requests) == ("quota_exhausted", 5, 7)
    assert result.hint.startswith(
        "the month's quota resets at 2026-07-01 00:00 UTC; `floorline backfill --res"
    )
    assert (result.quota_remaining, result.shards_left > 0) == (0, True)
    assert [alert.cause for alert in bench.alerts()] == ["quota.exhausted"]
    assert len(loaded_points(bench)) == result.rows_new > 0
    requests_before = len(history_requests(box))
    assert run_backfill(bench, box, REQUEST).state == "quota_exhausted"
    assert len(history_requests(box)) == requests_before  # the quota is known to be used up
    box.keys.set_remaining(VALID_KEY, 1000, box.clock.now())
    done = run_backfill(bench, box, REQUEST)
    assert (done.state, done.backfill_id) == ("done", result.backfill_id)
    pages = [entry.query for entry in history_requests(box)]
    assert len(pages) == len(set(pages)) == 5 + done.requests
    assert loaded_points(bench) == market_points(box, ITEMS, NOON - DAY / 4, NOON)
    assert bench.alerts() == []


@pytest.mark.slow
def test_revoked_key_stops_and_is_not_sent_again(tmp_path: Path, box: Sandbox) -> None:
    bench = bench_at(tmp_path, box)
    box.fault("revoke_key", path="/v1/prices/history", after=4)
    result = run_backfill(bench, box, REQUEST)
    assert (result.state, result.exit_code) == ("auth_failed", 4)
    assert isinstance(result.error, KeyRevoked)
    assert [alert.cause for alert in bench.alerts()] == ["auth.failed"]
    assert len(loaded_points(bench)) == result.rows_new > 0
    sent = len(box.requests.since(0))
    refused = run_backfill(bench, box, REQUEST)
    assert (refused.state, refused.exit_code) == ("auth_failed", 4)
    assert len(box.requests.since(0)) == sent  # the key is not sent again
    assert refused.backfill_id == result.backfill_id
