"""Snapshots of SkinShark beside CS2Cap: asks by delivery and phase, changes, and the best ask of both."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from common.errors import ConfigError
from sandbox.core import Sandbox
from tests.support.clocks import VirtualClock
from tests.support.sandboxes import MakeSandbox
from tests.support.skinshark import (
    DOPPLER,
    configure_both_sources,
    listed_prices,
    listed_rows,
    skinshark_basket,
)
from tests.support.snapshots import REDLINE, Bench, basket

NO_QUANTITY = "SELECT count(*) FROM quotes WHERE source = 'skinshark' AND quantity IS NOT NULL"


@pytest.fixture(params=["old", "new"])
def sandbox(make_sandbox: MakeSandbox, request: pytest.FixtureRequest) -> Sandbox:
    """Return a sandbox with each shape of the responses."""
    return make_sandbox(phases=request.param)


@pytest.fixture
def bench(tmp_path: Path, sandbox: Sandbox) -> Bench:
    return configure_both_sources(tmp_path, sandbox, skinshark_basket())


def stored(bench: Bench, source: str = "skinshark") -> set[tuple[Any, ...]]:
    rows = bench.query("SELECT item_id, phase, delivery, price FROM quotes WHERE source = ?", source)
    return {(item_id, phase, delivery, float(price)) for item_id, phase, delivery, price in rows}


def snapshot_states(bench: Bench) -> list[str]:
    return [result.state for result in bench.snapshot()]


def sent(box: Sandbox, since: int = 0) -> list[str]:
    return [entry.path for entry in box.skinshark.requests.since(since)]


def test_quotes_equal_the_listing(bench: Bench, sandbox: Sandbox) -> None:
    (result,) = bench.snapshot()
    assert (result.state, result.requests) == (
        "done",
        2,
    )  # the items, which are cached for a day, and the prices
    assert stored(bench) == listed_prices(sandbox) != set()
    assert bench.query(NO_QUANTITY) == [(0,)]
    assert result.request_id == "req-00000003"
    done = json.loads((bench.paths.landing / result.run_id / "done.json").read_text())
    assert done["request_id"] == "req-00000003"
    assert bench.query("SELECT request_id FROM runs") == [("req-00000003",)]


def test_second_snapshot_costs_one_listing_and_adds_no_history(bench: Bench, sandbox: Sandbox) -> None:
    snapshot_states(bench)
    before, since = bench.changes(), len(sandbox.skinshark.requests)
    sandbox.advance(600)
    assert snapshot_states(bench) == ["done"]
    assert sent(sandbox, since) == ["/merchant", "/market/prices"]
    assert bench.changes() == before


def test_changed_vanished_and_new_quotes_equal_the_listing(bench: Bench, sandbox: Sandbox) -> None:
    snapshot_states(bench)
    for verb in ("move", "vanish", "appear"):
        for provider in ("c5", "ecosteam"):
            getattr(sandbox, verb)(8, provider=provider)
        sandbox.advance(600)
        before, earlier = bench.changes(), stored(bench)
        assert snapshot_states(bench) == ["done"]
        now = stored(bench)
        assert now == listed_prices(sandbox) != earlier
        assert bench.changes() - before == len({row[:3] for row in now ^ earlier})


def test_phased_item_that_is_sold_out_is_closed(bench: Bench, sandbox: Sandbox) -> None:
    snapshot_states(bench)
    phased = [row for row in listed_rows(sandbox) if row.get("phases")]
    ids = {int(row["itemId"]) - 100_000: row["itemId"] for row in phased}
    board = sandbox.market.board
    of_name = [i.item_id for i in board.catalog.items if i.name == board.catalog.by_id[next(iter(ids))].name]
    for provider in ("c5", "ecosteam"):
        listed = sandbox.ledger(providers=[provider], item_ids=of_name[1:]).height
        sandbox.vanish(listed, provider=provider, item_ids=of_name)
    sandbox.advance(600)
    assert snapshot_states(bench) == ["done"]
    sold_out = ids[of_name[0]]
    assert sold_out not in {row[0] for row in stored(bench)}
    assert stored(bench) == listed_prices(sandbox)


def test_basket_of_some_items_takes_one_request_and_only_these_rows(tmp_path: Path, sandbox: Sandbox) -> None:
    items = [REDLINE, f"{DOPPLER} @ Ruby", "AUG | *"]
    bench = configure_both_sources(tmp_path, sandbox, skinshark_basket(items=items))
    assert snapshot_states(bench) == ["done"]
    selected = {
        row["itemId"] for row in listed_rows(sandbox) if row["marketHashName"].startswith(("AUG | ", REDLINE))
    }
    doppler = next(row["itemId"] for row in listed_rows(sandbox) if row["marketHashName"] == DOPPLER)
    expected = {row for row in listed_prices(sandbox) if row[0] in selected or row[:2] == (doppler, "Ruby")}
    assert stored(bench) == expected != set()
    since = len(sandbox.skinshark.requests)
    assert snapshot_states(bench) == ["done"]
    assert sent(sandbox, since) == ["/merchant", "/market/prices"]


@pytest.mark.parametrize(("market", "number"), [("c5", 3), ("ecosteam", 4)])
def test_single_marketplace(tmp_path: Path, make_sandbox: MakeSandbox, market: str, number: int) -> None:
    sandbox = make_sandbox(phases="old")
    bench = configure_both_sources(tmp_path, sandbox, skinshark_basket(providers=[market]), market=market)
    assert snapshot_states(bench) == ["done"]
    assert stored(bench) == listed_prices(sandbox, number)
    assert bench.query("SELECT DISTINCT provider FROM quotes") == [(market,)]


def test_change_of_the_shape_adds_the_new_prices_and_changes_none(
    tmp_path: Path, make_sandbox: MakeSandbox
) -> None:
    sandbox = make_sandbox(phases="old")
    bench = configure_both_sources(tmp_path, sandbox, skinshark_basket())
    snapshot_states(bench)
    before, changes = stored(bench), bench.changes()
    for shape in ("new", "old"):
        sandbox.skinshark.use_shape(shape)
        sandbox.advance(600)
        assert snapshot_states(bench) == ["done"]
        assert stored(bench) == listed_prices(sandbox) >= before
    instants = bench.query(
        "SELECT count(*) FROM quote_history WHERE phase IS NOT NULL AND delivery = 'instant'"
    )
    assert bench.changes() - changes == instants[0][0] > 0


def test_market_can_be_changed_between_two_runs(tmp_path: Path, make_sandbox: MakeSandbox) -> None:
    sandbox = make_sandbox(phases="old")
    items = [f"{DOPPLER} @ *", REDLINE]
    for market, providers in (("ecosteam", {"ecosteam"}), ("c5", {"ecosteam", "c5"}), ("all", None)):
        basket = skinshark_basket(items=items if market != "c5" else ["all"])
        bench = configure_both_sources(tmp_path, sandbox, basket, market=market)
        (result,) = bench.snapshot()
        assert (result.state, result.incomplete_reason) == ("done", None)
        stored_providers = {provider for (provider,) in bench.query("SELECT DISTINCT provider FROM quotes")}
        assert stored_providers == (providers or {"ecosteam", "c5", "skinshark"})


@pytest.mark.parametrize("market", ["c5", "ecosteam"])
def test_listing_of_all_markets_is_never_stored_as_one(
    tmp_path: Path, make_sandbox: MakeSandbox, market: str
) -> None:
    sandbox = make_sandbox(phases="new")
    bench = configure_both_sources(tmp_path, sandbox, basket(), skinshark_basket(), market=market)
    other, refused = bench.snapshot()
    assert (other.state, refused.state) == ("done", "failed")
    assert "ignores the parameter `market`" in (refused.incomplete_reason or "")
    assert bench.query("SELECT DISTINCT provider FROM quotes") == [("steam",)]
    (alert,) = bench.alerts()
    assert (alert.cause, alert.source) == ("snapshot.incomplete", "skinshark")
    assert 'set market = "all"' in alert.message


@pytest.mark.parametrize("key", ["FORBIDDEN", "SOMETHING_NEW"])
def test_forbidden_route_is_named_and_leaves_the_key_alone(
    tmp_path: Path, sandbox: Sandbox, key: str
) -> None:
    bench = configure_both_sources(tmp_path, sandbox, skinshark_basket(), skinshark_basket(name="more"))
    snapshot_states(bench)
    sandbox.skinshark.fault("error", times=None, params={"key": key, "status": 403})
    since = len(sandbox.skinshark.requests)
    results = bench.snapshot()
    assert [result.state for result in results] == ["incomplete", "incomplete"]
    assert all(f"{key} (403)" in (result.incomplete_reason or "") for result in results)
    assert sent(sandbox, since) == ["/merchant", "/market/prices"]
    assert {alert.cause for alert in bench.alerts()} == {"snapshot.incomplete"}
    sandbox.skinshark.faults.clear()
    assert snapshot_states(bench) == ["done", "done"]
    assert bench.alerts() == []


def test_unverified_account_is_probed_after_an_hour(tmp_path: Path, sandbox: Sandbox) -> None:
    bench, clock = configure_both_sources(tmp_path, sandbox, skinshark_basket()), VirtualClock()
    sandbox.skinshark.merchant.state = "unverified"
    for at, requests in ((0, 1), (600, 1), (3700, 2)):
        clock.time = at
        assert [result.state for result in bench.snapshot(clock=clock)] == ["auth_failed"]
        assert len(sandbox.skinshark.requests) == requests
    (alert,) = bench.alerts()
    assert alert.code == "EMAIL_NOT_VERIFIED"
    assert "Verify the email address" in (alert.guidance or "")


def test_best_ask_compares_both_sources(tmp_path: Path, sandbox: Sandbox) -> None:
    names = [REDLINE, "AUG | *", "★ StatTrak™ Karambit | Doppler (Factory New) @ *"]
    cs2cap_basket = basket(items=names, providers=["steam", "csfloat", "skinport"])
    bench = configure_both_sources(tmp_path, sandbox, cs2cap_basket, skinshark_basket(items=names))
    assert snapshot_states(bench) == ["done", "done"]
    asks = bench.query("SELECT market_hash_name, phase, source, price FROM quotes WHERE NOT aggregate")
    lowest: dict[tuple[str, str | None], Any] = {}
    for name, phase, _, price in asks:
        lowest[name, phase] = min(price, lowest.get((name, phase), price))
    best = bench.query("SELECT market_hash_name, phase, price, source FROM best_ask")
    assert {(name, phase): price for name, phase, price, _ in best} == lowest
    assert {source for *_, source in best} == {"cs2cap", "skinshark"}
    common = {row[:2] for row in asks if row[2] == "cs2cap"} & {
        row[:2] for row in asks if row[2] == "skinshark"
    }
    assert len(common) > 5


def test_marketplace_is_never_both_sides_of_a_spread(tmp_path: Path, sandbox: Sandbox) -> None:
    cs2cap_basket = basket(items=["all"], providers=["c5", "ecosteam", "steam"])
    bench = configure_both_sources(tmp_path, sandbox, cs2cap_basket, skinshark_basket())
    assert snapshot_states(bench) == ["done", "done"]
    pairs = set(
        bench.query("SELECT DISTINCT bought_at, sold_at FROM spreads WHERE bought_source = 'skinshark'")
    )
    assert pairs == {("skinshark", "steam")}


def test_rejected_row_closes_no_quote(bench: Bench, sandbox: Sandbox) -> None:
    snapshot_states(bench)
    place = next(n for n, row in enumerate(listed_rows(sandbox)) if row["standard"] is not None)
    before = stored(bench)
    sandbox.skinshark.fault("broken_row", params={"row": place})
    sandbox.advance(600)
    (result,) = bench.snapshot()
    assert (result.state, result.load and result.load.rows_rejected) == ("done", 1)
    assert stored(bench) == before


def test_broken_price_keeps_its_last_value_and_the_rest_of_its_row_loads(
    bench: Bench, sandbox: Sandbox
) -> None:
    snapshot_states(bench)
    place, row = next((n, row) for n, row in enumerate(listed_rows(sandbox)) if "phases" in row)
    key = (row["itemId"], phase := next(iter(row["phases"])), "standard")
    (before,) = (price for *own, price in stored(bench) if tuple(own) == key)
    new_shape = isinstance(row["phases"][phase], dict)
    field = f"phases.{phase}.standard" if new_shape else f"phases.{phase}"
    for provider in ("c5", "ecosteam"):
        sandbox.move(150, provider=provider)
    sandbox.skinshark.fault("broken_row", params={"row": place, "field": field, "value": "odd"})
    sandbox.advance(600)
    assert snapshot_states(bench) == ["done"]
    expected = {quote for quote in listed_prices(sandbox) if quote[:3] != key}
    assert stored(bench) == expected | {(*key, before)}
    ((reason, raw),) = bench.query("SELECT reason, raw FROM rejects")
    assert reason.startswith(f"{field}: ")
    assert json.loads(raw)["marketHashName"] == row["marketHashName"]


def test_rejected_key_does_not_affect_the_other_source(tmp_path: Path, sandbox: Sandbox) -> None:
    bench = configure_both_sources(tmp_path, sandbox, basket(), skinshark_basket())
    sandbox.skinshark.merchant.pin("203.0.113.7")
    assert snapshot_states(bench) == ["done", "auth_failed"]
    (alert,) = bench.alerts()
    assert (alert.cause, alert.source, alert.code) == ("auth.failed", "skinshark", "API_KEY_IP_DENIED")
    assert "allowlist" in (alert.guidance or "")
    assert "req-" in alert.message


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"currencies": ["EUR"]}, "US dollars only"),
        ({"providers": ["steam"]}, "no provider is called 'steam'"),
        ({"items": ["AWP | Dragonlore"]}, "no item is called"),
    ],
)
def test_unknown_name_is_reported_before_any_price_request(
    tmp_path: Path, sandbox: Sandbox, fields: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        configure_both_sources(tmp_path, sandbox, skinshark_basket(**fields)).snapshot()


def test_on_behalf_of_is_rejected(tmp_path: Path, sandbox: Sandbox) -> None:
    bench = configure_both_sources(tmp_path, sandbox, skinshark_basket(), on_behalf_of="customer-7")
    with pytest.raises(ConfigError, match="rejects On-Behalf-Of"):
        bench.snapshot()
    assert len(sandbox.skinshark.requests) == 0
