"""What a deposit pays at SkinShark becomes the marketplace's bids, also in the name of a sub-user."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sandbox.core import Sandbox
from sandbox.skinshark.market_routes import build_sell_prices
from sandbox.skinshark.merchant import SUB_USER
from tests.support.clocks import VirtualClock
from tests.support.sandboxes import MakeSandbox
from tests.support.skinshark import (
    configure_both_sources,
    listed_prices,
    listed_rows,
    sent_paths,
    skinshark_basket,
)
from tests.support.snapshots import Bench

BIDS = "SELECT item_id, market_hash_name, price FROM bids WHERE provider = 'skinshark'"


def expected_bids(sandbox: Sandbox, *names: str) -> set[tuple[str, str, float]]:
    ids = {row["marketHashName"]: row["itemId"] for row in listed_rows(sandbox)}
    with sandbox.lock:
        rows: list[dict[str, Any]] = build_sell_prices(sandbox.market, sandbox.sync())
    return {
        (ids[row["marketHashName"]], row["marketHashName"], row["deposit"])
        for row in rows
        if row["accepted"] and (not names or row["marketHashName"] in names)
    }


def stored_bids(bench: Bench) -> set[tuple[str, str, float]]:
    return {(item_id, name, float(price)) for item_id, name, price in bench.query(BIDS)}


@pytest.mark.slow
def test_deposits_are_bids_beside_the_asks(tmp_path: Path, sandbox: Sandbox) -> None:
    bench = configure_both_sources(tmp_path, sandbox, skinshark_basket(bids=True))
    (result,) = bench.snapshot()
    assert (result.state, result.incomplete_reason) == ("done", None)
    assert stored_bids(bench) == expected_bids(sandbox) != set()
    asks = bench.query("SELECT item_id, phase, delivery, price FROM quotes")
    assert {(*each[:3], float(each[3])) for each in asks} == listed_prices(sandbox)
    sent = sent_paths(sandbox)
    assert sent.count("/market/sell/prices") == 1
    assert (
        sent.count("/market/prices") == 2
    )  # the catalog and the asks: the bids need no listing of their own


@pytest.mark.slow
def test_bid_that_is_no_longer_accepted_closes(tmp_path: Path, sandbox: Sandbox) -> None:
    name = min(name for _, name, _ in expected_bids(sandbox))
    bench = configure_both_sources(tmp_path, sandbox, skinshark_basket(bids=True, items=[name]))
    bench.snapshot()
    assert stored_bids(bench) == expected_bids(sandbox, name) != set()
    sandbox.skinshark.fault("not_accepted", path="/market/sell/prices", times=None)
    sandbox.advance(600)
    bench.snapshot()
    assert stored_bids(bench) == set()


@pytest.mark.slow
def test_outage_of_the_pricing_is_transient_and_closes_nothing(tmp_path: Path, sandbox: Sandbox) -> None:
    bench = configure_both_sources(tmp_path, sandbox, skinshark_basket(bids=True))
    clock = VirtualClock()
    sandbox.skinshark.fault("PRICING_UNAVAILABLE", path="/market/sell/prices")
    assert [result.state for result in bench.snapshot(clock=clock)] == ["done"]
    bids = stored_bids(bench)
    sandbox.skinshark.fault("PRICING_UNAVAILABLE", path="/market/sell/prices", times=None)
    sandbox.advance(600)
    clock.time += 600
    (result,) = bench.snapshot(clock=clock)
    assert result.state == "incomplete"
    assert "PRICING_UNAVAILABLE" in (result.incomplete_reason or "")
    assert stored_bids(bench) == bids != set()


@pytest.mark.parametrize("reading", ["optional", "required"])
def test_sub_user_reads_bids_and_no_asks(tmp_path: Path, make_sandbox: MakeSandbox, reading: str) -> None:
    sandbox = make_sandbox(sub_user=reading)
    basket = skinshark_basket(bids=True)
    bench = configure_both_sources(tmp_path, sandbox, basket, on_behalf_of=SUB_USER[0])
    assert [result.state for result in bench.snapshot()] == ["done"]
    assert stored_bids(bench) == expected_bids(sandbox) != set()
    assert bench.query("SELECT count(*) FROM quotes") == [(0,)]


@pytest.mark.slow
def test_unknown_sub_user_fails_its_source_and_is_no_matter_of_the_key(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    baskets = [skinshark_basket(bids=True, name=name) for name in ("sharks", "more")]
    bench = configure_both_sources(tmp_path, sandbox, *baskets, on_behalf_of="customer-9")
    for _ in range(2):
        since = len(sandbox.skinshark.requests)
        results = bench.snapshot()
        assert [result.state for result in results] == ["failed", "failed"]
        assert all("'customer-9'" in (result.incomplete_reason or "") for result in results)
        assert sent_paths(sandbox, since).count("/market/sell/prices") == 1
    assert {alert.cause for alert in bench.alerts()} == {"snapshot.incomplete"}
