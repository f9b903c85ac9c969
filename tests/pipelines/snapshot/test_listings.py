"""Baskets with `listings`: the offers of items, walked again and again, equal the sandbox's ledger."""

from __future__ import annotations

import threading
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from sandbox.clock import DAY, HOUR, SECOND, micros
from sandbox.core import Sandbox
from sandbox.market.catalog import Item
from sandbox.skinshark.listing import FIRST_ID
from sandbox.skinshark.merchant import SUB_USER
from sandbox.skinshark.offers import Offer
from tests.support.clocks import VirtualClock
from tests.support.json_outputs import read_result
from tests.support.sandboxes import MakeSandbox
from tests.support.skinshark import configure_both_sources, sent_paths, skinshark_basket
from tests.support.snapshots import Bench, main_with
from tests.support.waiting import wait_until

OFFERS_TOKENS = 5
Ledger = dict[str, Offer]


def plain_items(sandbox: Sandbox) -> list[Item]:
    """Return the items of the sandbox that have an entry of their own, those with the most offers first."""
    offers, now = sandbox.skinshark.offers, sandbox.clock.us()
    items = [item for item in sandbox.market.board.catalog.items if item.phase is None]
    return sorted(items, key=lambda item: (-len(offers.at(item, now)), item.name))


def listings_basket(items: list[Item], **fields: Any) -> dict[str, Any]:
    ids = [FIRST_ID + item.item_id for item in items]
    return skinshark_basket(items=ids, **{"listings": True, "listings_cap": 500, **fields})


def ledger(sandbox: Sandbox, items: list[Item]) -> Ledger:
    """Return the offers that the sandbox has now, by their ids."""
    with sandbox.lock:
        now = sandbox.sync()
        return {offer.id: offer for item in items for offer in sandbox.skinshark.offers.at(item, now)}


def advance(sandbox: Sandbox, clock: VirtualClock, seconds: float) -> None:
    """Move the sandbox's clock and ours, which is ahead by what the rate limit took."""
    sandbox.advance(seconds)
    clock.time += seconds


def states(bench: Bench) -> dict[str, str]:
    return dict(bench.query("SELECT listing_id, state FROM listings"))


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.mark.slow
def test_walks_of_200_items_equal_the_ledger(
    clock: VirtualClock, tmp_path: Path, make_sandbox: MakeSandbox
) -> None:
    sandbox = make_sandbox(items=400)
    items = plain_items(sandbox)[:200]
    bench = configure_both_sources(tmp_path, sandbox, listings_basket(items))
    moments = []
    output = main_with("plan", "--config", str(bench.config), "--json").out
    forecast = read_result(output)["sources"][0]["baskets"][0]
    for _ in range(2):
        since = len(sandbox.skinshark.requests)
        (result,) = bench.snapshot(clock=clock)
        assert (result.state, result.incomplete_reason) == ("done", None)
        walked = [path for path in sent_paths(sandbox, since) if path.endswith("/listings")]
        moments.append((sandbox.clock.now(), ledger(sandbox, items)))
        pages = [len([o for o in moments[-1][1].values() if o.item == item]) for item in items]
        assert len(walked) == sum(max(-(-count // 100), 1) for count in pages)
        # A minute has 60 tokens: the plan has as many seconds as tokens. One is for the prices.
        assert 1 + OFFERS_TOKENS * len(walked) <= forecast["run_seconds"]
        advance(sandbox, clock, DAY / SECOND)
    every = {key: offer for _, offers in moments for key, offer in offers.items()}
    first = {key: next(at for at, offers in moments if key in offers) for key in every}
    last = {key: next(at for at, offers in reversed(moments) if key in offers) for key in every}
    gone = {key: next((at for at, _ in moments if at > last[key]), None) for key in every}
    before = {key: max((at for at, _ in moments if at < first[key]), default=None) for key in every}
    rows = bench.query("SELECT listing_id, first_seen, last_seen, gone_at, not_before, state FROM listings")
    assert {key: rest for key, *rest in rows} == {
        key: [first[key], last[key], gone[key], before[key], "gone" if gone[key] else "listed"]
        for key in every
    }
    assert len(set(first.values())) == len(set(last.values())) == 2
    shown = bench.query(
        "SELECT listing_id, market_hash_name, price, wear, paint_seed, phase, delivery FROM listings"
    )
    at_last = {key: max((at, offers[key]) for at, offers in moments if key in offers)[1] for key in every}
    assert {key: rest for key, *rest in shown} == {
        key: [
            *(offer.item.name, Decimal(offer.price) / 100, offer.wear),
            *(offer.number % 1000 if offer.wear else None, offer.phase, offer.delivery),
        ]
        for key, offer in at_last.items()
    }


@pytest.mark.slow
def test_offers_beyond_the_cap_are_not_called_gone(
    clock: VirtualClock, tmp_path: Path, sandbox: Sandbox
) -> None:
    item = plain_items(sandbox)[0]
    bench = configure_both_sources(tmp_path, sandbox, listings_basket([item], listings_cap=500))
    bench.snapshot(clock=clock)
    everything = ledger(sandbox, [item])
    assert len(everything) > 100
    assert states(bench) == dict.fromkeys(everything, "listed")
    bench = configure_both_sources(tmp_path, sandbox, listings_basket([item], listings_cap=100))
    with sandbox.lock:
        sold = sandbox.skinshark.offers.sell(item, 1, sandbox.sync())[0].id
    advance(sandbox, clock, HOUR / SECOND / 6)
    (result,) = bench.snapshot(clock=clock)
    assert result.state == "done"
    offers = sorted(ledger(sandbox, [item]).values(), key=lambda offer: (offer.price, offer.id))
    near, beyond = offers[:100], offers[100:]
    found = states(bench)
    assert "gone" not in found.values()
    assert found[sold] == "missing"
    assert {found[offer.id] for offer in near} == {"listed"}
    assert {found[offer.id] for offer in beyond} <= {"unknown"}


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["sold", "offered"])
def test_offer_that_moves_between_two_pages_is_neither_lost_nor_doubled(
    clock: VirtualClock, tmp_path: Path, sandbox: Sandbox, kind: str
) -> None:
    item = plain_items(sandbox)[0]
    path = f"/market/items/{FIRST_ID + item.item_id}/listings"
    sandbox.skinshark.fault(kind, path=path, after=1, params={"count": 2})
    bench = configure_both_sources(tmp_path, sandbox, listings_basket([item]))
    before = ledger(sandbox, [item])
    (result,) = bench.snapshot(clock=clock)
    assert result.state == "done"
    after = ledger(sandbox, [item])
    assert before.keys() ^ after.keys()
    ids = [key for (key,) in bench.query("SELECT listing_id FROM listings")]
    assert sorted(ids) == sorted(before.keys() | after.keys())
    pages = -(-max(len(before), len(after)) // 100)
    assert sent_paths(sandbox).count(path) == 2 * pages
    advance(sandbox, clock, 60)
    bench.snapshot(clock=clock)
    found = states(bench)
    assert {key for key, state in found.items() if state == "gone"} == before.keys() - after.keys()


@pytest.mark.slow
def test_interrupted_walk_calls_nothing_gone(clock: VirtualClock, tmp_path: Path, sandbox: Sandbox) -> None:
    items = plain_items(sandbox)[:2]
    bench = configure_both_sources(tmp_path, sandbox, listings_basket(items))
    bench.snapshot(clock=clock)
    with sandbox.lock:
        sold = [
            offer.id for item in items for offer in sandbox.skinshark.offers.sell(item, 3, sandbox.sync())
        ]
    advance(sandbox, clock, 60)
    path = f"/market/items/{FIRST_ID + items[0].item_id}/listings"
    sandbox.skinshark.fault("INTERNAL", path=path, after=1, times=None)
    (result,) = bench.snapshot(clock=clock)
    assert result.state == "incomplete"
    assert f"offers of {items[0].name}" in (result.incomplete_reason or "")
    found = states(bench)
    assert {key for key, state in found.items() if state == "gone"} == set(sold[3:])
    sandbox.skinshark.faults.clear()
    advance(sandbox, clock, 60)
    bench.snapshot(clock=clock)
    assert {key for key, state in states(bench).items() if state == "gone"} == set(sold)


@pytest.mark.slow
def test_offer_that_cannot_be_read_leaves_the_others_as_they_are(
    clock: VirtualClock, tmp_path: Path, sandbox: Sandbox
) -> None:
    item = plain_items(sandbox)[0]
    bench = configure_both_sources(tmp_path, sandbox, listings_basket([item]))
    bench.snapshot(clock=clock)
    path = f"/market/items/{FIRST_ID + item.item_id}/listings"
    sandbox.skinshark.fault("broken_offer", path=path, params={"field": "price", "value": "much"})
    advance(sandbox, clock, 60)
    (result,) = bench.snapshot(clock=clock)
    assert "an offer cannot be read" in (result.incomplete_reason or "")
    assert set(states(bench).values()) == {"listed"}


@pytest.mark.slow
@pytest.mark.parametrize("reading", ["optional", "required"])
def test_sub_user_reads_offers_and_no_asks(
    clock: VirtualClock, tmp_path: Path, make_sandbox: MakeSandbox, reading: str
) -> None:
    sandbox = make_sandbox(sub_user=reading)
    items = plain_items(sandbox)[:2]
    bench = configure_both_sources(tmp_path, sandbox, listings_basket(items), on_behalf_of=SUB_USER[1])
    assert [result.state for result in bench.snapshot(clock=clock)] == ["done"]
    assert states(bench).keys() == ledger(sandbox, items).keys()
    assert bench.query("SELECT count(*) FROM quotes") == [(0,)]


def test_route_that_is_refused_is_not_requested_for_every_item(
    clock: VirtualClock, tmp_path: Path, sandbox: Sandbox
) -> None:
    items = plain_items(sandbox)[:5]
    bench = configure_both_sources(tmp_path, sandbox, listings_basket(items))
    path = f"/market/items/{FIRST_ID + items[0].item_id}/listings"
    sandbox.skinshark.fault("FORBIDDEN", path=path)
    (result,) = bench.snapshot(clock=clock)
    assert "the offers of 4 more items were not requested" in (result.incomplete_reason or "")
    assert sum(each.endswith("/listings") for each in sent_paths(sandbox)) == 1


def test_times_are_those_of_the_server(clock: VirtualClock, tmp_path: Path, sandbox: Sandbox) -> None:
    item = plain_items(sandbox)[0]
    bench = configure_both_sources(tmp_path, sandbox, listings_basket([item], listings_cap=7))
    bench.snapshot(clock=clock)
    rows = bench.query("SELECT DISTINCT first_seen, last_seen, not_before, gone_at FROM listings")
    assert [(micros(first), micros(last), *rest) for first, last, *rest in rows] == [
        (sandbox.clock.us(), sandbox.clock.us(), None, None)
    ]
    assert bench.query("SELECT count(*) FROM listings") == [(7,)]


@pytest.mark.slow
def test_walk_is_on_disk_before_the_next_one_begins(tmp_path: Path, make_sandbox: MakeSandbox) -> None:
    sandbox = make_sandbox(items=60)
    basket = listings_basket(plain_items(sandbox)[:2], listings_cap=100)  # a request each
    bench = configure_both_sources(tmp_path, sandbox, basket)
    sandbox.fault("latency", seconds=1, times=None)
    run = threading.Thread(target=bench.snapshot)
    run.start()
    try:
        wait_until(lambda: sum(path.endswith("/listings") for path in sent_paths(sandbox)) == 2)
        tables = {path.name for path in bench.paths.landing.glob("*/list*")}
    finally:
        sandbox.faults.clear()
        run.join()
    assert tables == {"listings.arrow.zst", "listing_walks.arrow.zst"}
