"""A run that cannot fit into what is left of the month is refused before its first price, unless forced."""

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
from tests.support.snapshots import Bench, basket, main_with, priced

pytestmark = pytest.mark.usefixtures("no_prefect")


@pytest.fixture
def box(make_sandbox: MakeSandbox) -> Sandbox:
    return make_sandbox(limits=True, tier="starter")


@pytest.fixture
def bench(tmp_path: Path, box: Sandbox) -> Bench:
    """A basket of twenty requests and one of two, the catalogs at hand."""
    bench = Bench.at(tmp_path, box, basket("large", items=list(range(1, 21))), basket("small"))
    bench.snapshot("small")
    return bench


def test_it_says_what_is_left_what_it_needs_and_when_it_resets(bench: Bench, box: Sandbox) -> None:
    box.keys.set_remaining(VALID_KEY, 19, NOON)
    before = len(box.requests)
    said = main_with("snapshot", "large", "--config", str(bench.config))
    assert said.code == 5
    assert "basket large needs 20 requests, and of the month's 50,000 are 19 left" in said.err
    assert "it starts anew" in said.err
    assert priced(box, before) == []


def test_a_basket_that_still_fits_is_not_held_up_by_one_that_does_not(bench: Bench, box: Sandbox) -> None:
    box.keys.set_remaining(VALID_KEY, 19, NOON)
    large, small = bench.snapshot()
    assert isinstance(large.error, QuotaExhausted)
    assert (large.state, large.requests) == ("quota_exhausted", 0)
    assert (small.state, small.requests) == ("done", 2)
    assert [alert.cause for alert in bench.alerts()] == ["quota.exhausted"]


def test_what_the_first_basket_takes_is_not_there_for_the_next(bench: Bench, box: Sandbox) -> None:
    box.keys.set_remaining(VALID_KEY, 21, NOON)
    before = len(box.requests)
    large, small = bench.snapshot()
    assert (large.state, small.state) == ("done", "quota_exhausted")
    assert len(priced(box, before)) == 20


def test_it_can_be_forced(bench: Bench, box: Sandbox) -> None:
    box.keys.set_remaining(VALID_KEY, 19, NOON)
    before = len(box.requests)
    (result,) = asyncio.run(SnapshotPipeline(bench.settings, ("large",), VirtualClock(), force=True).run())
    assert result.state == "quota_exhausted"
    sent = priced(box, before)
    assert 0 < len(sent) <= 19
    assert 429 not in {entry.status for entry in sent}


def test_the_command_can_force_it(bench: Bench, box: Sandbox) -> None:
    box.keys.set_remaining(VALID_KEY, 19, NOON)
    before = len(box.requests)
    assert main_with("snapshot", "large", "--force", "--config", str(bench.config)).code == 5
    assert priced(box, before)


def test_exactly_what_is_left_is_enough(bench: Bench, box: Sandbox) -> None:
    box.keys.set_remaining(VALID_KEY, 20, NOON)
    assert bench.snapshot("large")[0].state == "done"
