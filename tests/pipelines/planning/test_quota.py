"""A basket that does not fit into the rest of the month is refused before its first price request."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from common.errors import QuotaExhausted
from pipelines.snapshot.pipeline import SnapshotPipeline
from sandbox.core import Sandbox
from sandbox.cs2cap.keys import VALID_KEY
from tests.support.clocks import NOON, VirtualClock
from tests.support.sandboxes import MakeSandbox
from tests.support.snapshots import Bench, basket, main_with, price_requests

pytestmark = pytest.mark.usefixtures("no_prefect")


@pytest.fixture
def box(make_sandbox: MakeSandbox) -> Sandbox:
    return make_sandbox(limits=True, tier="starter")


@pytest.fixture
def bench(tmp_path: Path, box: Sandbox) -> Bench:
    """Return a basket of twenty requests and one of two, with cached catalogs."""
    bench = Bench.at(tmp_path, box, basket("large", items=list(range(1, 21))), basket("small"))
    bench.snapshot("small")
    return bench


def test_message_has_the_need_the_rest_and_the_reset(bench: Bench, box: Sandbox) -> None:
    box.keys.set_remaining(VALID_KEY, 19, NOON)
    before = len(box.requests)
    output = main_with("snapshot", "large", "--config", str(bench.config))
    assert output.code == 5
    assert "basket large needs 20 requests, but 19 of the month's 50,000 are left" in output.err
    assert "the quota resets with the next month" in output.err
    assert price_requests(box, before) == []


def test_basket_that_fits_runs_after_one_that_does_not(bench: Bench, box: Sandbox) -> None:
    box.keys.set_remaining(VALID_KEY, 19, NOON)
    large, small = bench.snapshot()
    assert isinstance(large.error, QuotaExhausted)
    assert (large.state, large.requests) == ("quota_exhausted", 0)
    assert (small.state, small.requests) == ("done", 2)
    assert [alert.cause for alert in bench.alerts()] == ["quota.exhausted"]


def test_requests_of_the_first_basket_are_not_left_for_the_next(bench: Bench, box: Sandbox) -> None:
    box.keys.set_remaining(VALID_KEY, 21, NOON)
    before = len(box.requests)
    large, small = bench.snapshot()
    assert (large.state, small.state) == ("done", "quota_exhausted")
    assert len(price_requests(box, before)) == 20


@pytest.mark.slow
def test_forced_snapshot_sends_requests_up_to_the_quota(bench: Bench, box: Sandbox) -> None:
    bench.snapshot("small", clock=VirtualClock())  # the catalogs of the real clock lie ahead of this one
    box.keys.set_remaining(VALID_KEY, 19, NOON)
    before = len(box.requests)
    (result,) = asyncio.run(SnapshotPipeline(bench.settings, ("large",), VirtualClock(), force=True).run())
    assert result.state == "quota_exhausted"
    sent = price_requests(box, before)
    assert 0 < len(sent) <= 19
    assert 429 not in {entry.status for entry in sent}


def test_force_option_of_the_command(bench: Bench, box: Sandbox) -> None:
    box.keys.set_remaining(VALID_KEY, 19, NOON)
    before = len(box.requests)
    assert main_with("snapshot", "large", "--force", "--config", str(bench.config)).code == 5
    assert price_requests(box, before)


def test_basket_may_use_the_whole_rest(bench: Bench, box: Sandbox) -> None:
    box.keys.set_remaining(VALID_KEY, 20, NOON)
    assert bench.snapshot("large")[0].state == "done"
