"""What a SkinShark server refuses or does not serve ends with its reason, and nothing wrong is stored."""

from __future__ import annotations

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
    sent_paths,
    skinshark_basket,
    stored_prices,
)
from tests.support.snapshots import REDLINE, Bench, basket


def snapshot_states(bench: Bench) -> list[str]:
    return [result.state for result in bench.snapshot()]


@pytest.mark.parametrize(("market", "number"), [("c5", 3), ("ecosteam", 4)])
def test_single_marketplace(tmp_path: Path, make_sandbox: MakeSandbox, market: str, number: int) -> None:
    sandbox = make_sandbox(phases="old")
    bench = configure_both_sources(tmp_path, sandbox, skinshark_basket(providers=[market]), market=market)
    assert snapshot_states(bench) == ["done"]
    assert stored_prices(bench) == listed_prices(sandbox, number)
    assert bench.query("SELECT DISTINCT provider FROM quotes") == [(market,)]


@pytest.mark.slow
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


@pytest.mark.slow
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
    assert sent_paths(sandbox, since) == ["/merchant", "/market/prices"]
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


def test_asks_of_a_sub_user_are_refused(tmp_path: Path, sandbox: Sandbox) -> None:
    bench = configure_both_sources(tmp_path, sandbox, skinshark_basket(), on_behalf_of="customer-7")
    with pytest.raises(ConfigError, match="/market/prices takes the merchant itself"):
        bench.snapshot()
    assert len(sandbox.skinshark.requests) == 0
