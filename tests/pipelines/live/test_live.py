"""The record follows the feeds: through changes, breaks, floods and repeats, and ends cleanly."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from common.errors import KeyRevoked, PlanForbids
from pipelines.backfill.gaps import find_gaps
from sandbox.core import Sandbox
from sandbox.cs2cap.keys import VALID_KEY
from tests.support.clocks import SandboxClock
from tests.support.live import PROVIDERS, Follower, following, is_current
from tests.support.sandboxes import MakeSandbox
from tests.support.snapshots import Bench, catalog_of
from tests.support.waiting import wait_until
from warehouse.landing.inventory import pending_landings

pytestmark = [pytest.mark.server, pytest.mark.slow]


@pytest.fixture
def box(make_sandbox: MakeSandbox) -> Sandbox:
    return make_sandbox(tier="quant", items=100)


@pytest.fixture
def bench(tmp_path: Path, box: Sandbox) -> Bench:
    return Bench.at(tmp_path, box, catalog_of(*PROVIDERS, live=True, every="1h"))


def change_market(box: Sandbox) -> None:
    """Change quotes in every way, each a second later."""
    for change in (box.move, box.restock, box.vanish, box.appear):
        box.advance(1)
        change(12)


def test_record_follows_the_feed_to_its_end(bench: Bench, box: Sandbox) -> None:
    with following(bench, box) as follower:
        for _ in range(3):
            change_market(box)
        wait_until(lambda: is_current(bench, box), every=0.2)
        change_market(box)
    assert follower.count("broke") == 0
    assert pending_landings(bench.paths.landing) == []  # what had arrived when it was stopped is loaded
    flows = bench.query("SELECT DISTINCT flow, state FROM runs ORDER BY ALL")
    assert flows == [("live", "done"), ("snapshot", "done")]
    assert bench.query("SELECT count(*) FROM bids") == [(0,)]


def test_break_is_a_gap_and_leaves_no_ghost(bench: Bench, box: Sandbox) -> None:
    with following(bench, box) as follower:
        change_market(box)
        wait_until(lambda: is_current(bench, box), every=0.2)
        box.fault("feed_break", after_events=2)
        box.break_feeds("drop")
        change_market(box)  # nobody is told of these
        wait_until(lambda: follower.count("is open") >= 2)
        for _ in range(3):
            change_market(box)
        wait_until(lambda: follower.count("is open") >= 3)
        wait_until(lambda: is_current(bench, box), every=0.2)
    gaps = bench.query(
        "SELECT incomplete_reason FROM runs WHERE flow = 'live' AND state = 'incomplete' ORDER BY started_at"
    )
    assert len(gaps) == 2
    assert all(reason.startswith("the feed of asks was not heard: GET /v1/feed/prices") for (reason,) in gaps)
    found = asyncio.run(find_gaps(bench.settings, SandboxClock(box), on_request=pytest.fail))
    assert [(gap.cause, gap.pieces[0].what, gap.pieces[0].why) for gap in found] == [
        ("feed", "lost", reason) for (reason,) in gaps
    ]


def test_feed_that_is_silent_about_a_marketplace_raises_an_alert(bench: Bench, box: Sandbox) -> None:
    box.fault("feed_silence", provider="steam")
    with following(bench, box) as follower:
        box.advance(10)
        box.move(30, provider="steam")
        bench.snapshot(clock=SandboxClock(box))
        wait_until(lambda: is_current(bench, box), every=0.2)
        follower.pipeline.silence.check()
        (alert,) = bench.alerts()
        assert (alert.cause, alert.subject) == ("feed.silent", "steam: feed of asks")
        assert "snapshots found 30 changes meanwhile" in alert.message
        box.faults.clear()
        box.break_feeds()
        wait_until(lambda: follower.count("is open") >= 2)
        box.advance(10)
        box.move(30, provider="steam")
        wait_until(lambda: is_current(bench, box), every=0.2)
        follower.pipeline.silence.check()
    assert bench.alerts() == []


def test_silence_is_no_question_before_the_first_snapshot(bench: Bench, box: Sandbox) -> None:
    box.fault("latency", path="/v1/prices", seconds=60, times=None)
    follower = Follower(bench, SandboxClock(box))
    follower.start()
    wait_until(lambda: follower.count("is open") or follower.error)
    follower.pipeline.silence.check()
    assert not bench.paths.published.exists()
    box.faults.clear()
    follower.stop()
    assert bench.alerts() == []


def test_floods_repeats_and_late_events_change_nothing_else(bench: Bench, box: Sandbox) -> None:
    box.fault("feed_split", bytes=900)
    box.fault("feed_flood", every=2, items=2000)
    box.fault("feed_repeat", every=3)
    box.fault("feed_late", every=4, seconds=1)
    with following(bench, box) as follower:
        for _ in range(4):
            change_market(box)
        box.advance(2)
        wait_until(lambda: is_current(bench, box), every=0.2)
    assert follower.count("broke") == 0


def test_revoked_key_raises_an_alert_and_is_tried_no_more(bench: Bench, box: Sandbox) -> None:
    with following(bench, box) as follower:
        change_market(box)
        box.key(VALID_KEY, "revoked")
        follower.join()
        opened = len(box.feeds.connections)
        assert isinstance(follower.error, KeyRevoked)
    (alert,) = bench.alerts()
    assert alert.cause == "auth.failed"
    number = len(box.requests)
    with following(bench, box, feeds=0) as follower:
        follower.join()
    assert isinstance(follower.error, KeyRevoked)
    assert len(box.requests) == number
    assert len(box.feeds.connections) == opened


def test_both_feeds_of_a_basket_share_the_connections_of_its_key(tmp_path: Path, box: Sandbox) -> None:
    bench = Bench.at(tmp_path, box, catalog_of(*PROVIDERS, live=True, bids=True, every="1h"))
    with following(bench, box, feeds=2):
        change_market(box)
        wait_until(lambda: is_current(bench, box), every=0.2)
        wait_until(lambda: _bids(bench) == _listed_bids(box))
    assert len(box.feeds.connections) == 2


def _bids(bench: Bench) -> list[tuple[object, ...]]:
    return bench.query("SELECT provider, item_id, highest_bid, num_bids FROM bids ORDER BY ALL")


def _listed_bids(box: Sandbox) -> list[tuple[object, ...]]:
    aggregates = {item.item_id for item in box.market.board.catalog.items if item.aggregate}
    rows = box.ledger(bids=True, providers=PROVIDERS).select("provider", "item_id", "highest_bid", "num_bids")
    return sorted((p, str(i), bid, n) for p, i, bid, n in rows.iter_rows() if i not in aggregates)


def test_smaller_tier_is_told_so(tmp_path: Path, make_sandbox: MakeSandbox) -> None:
    box = make_sandbox(tier="pro", items=20)
    bench = Bench.at(tmp_path, box, catalog_of("steam", live=True))
    with following(bench, box, feeds=0) as follower:
        follower.join()
    assert isinstance(follower.error, PlanForbids)
    assert box.feeds.connections == []
