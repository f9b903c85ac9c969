"""A dark provider: its quotes stay open, and an alert is open until it lists quotes again."""

from __future__ import annotations

from pathlib import Path

import pytest

from sandbox.core import Sandbox
from tests.support.sandboxes import MakeSandbox
from tests.support.snapshots import Bench, basket, catalog_of, ledger


def dark_alerts(bench: Bench) -> list[tuple[str, str]]:
    return [(alert.source, alert.subject) for alert in bench.alerts() if alert.cause == "provider.dark"]


@pytest.mark.slow
@pytest.mark.parametrize("catalog", [True, False], ids=["catalog", "items"])
def test_dark_provider_closes_no_quotes_and_its_return_resolves_the_alert(
    tmp_path: Path, sandbox: Sandbox, catalog: bool
) -> None:
    config = catalog_of("steam", "buff163") if catalog else basket(providers=["steam", "buff163"])
    bench = Bench.at(tmp_path, sandbox, config)
    bench.snapshot()
    before, changes = bench.quotes(), bench.changes()
    assert len({row[0] for row in before}) == 2
    sandbox.set_provider_dark("steam")
    for _ in range(2):
        sandbox.advance(600)
        (result,) = bench.snapshot()
        assert result.load is not None
        assert [suspect.provider for suspect in result.load.held] == ["steam"]
        assert (bench.quotes(), bench.changes()) == (before, changes)
        assert dark_alerts(bench) == [("cs2cap", "steam")]
    assert bench.query("SELECT subject, repeats FROM alerts WHERE cause = 'provider.dark'") == [("steam", 1)]
    sandbox.set_provider_dark("steam", False)
    sandbox.advance(600)
    bench.snapshot()
    assert dark_alerts(bench) == []
    closed = "SELECT closed_at IS NOT NULL FROM alerts WHERE cause = 'provider.dark'"
    assert bench.query(closed) == [(True,)]
    assert (bench.quotes(), bench.changes()) == (before, changes)


def test_large_drop_at_a_healthy_provider_closes_no_quotes(tmp_path: Path, sandbox: Sandbox) -> None:
    bench = Bench.at(tmp_path, sandbox, catalog_of("steam"))
    bench.snapshot()
    before = bench.quotes()
    sandbox.vanish(150, provider="steam")
    sandbox.advance(600)
    (result,) = bench.snapshot()
    assert result.load is not None
    assert "150 of" in result.load.held[0].reason
    assert bench.quotes() == before
    assert dark_alerts(bench) == [("cs2cap", "steam")]


@pytest.mark.slow
def test_few_vanished_quotes_at_a_healthy_provider_close(tmp_path: Path, sandbox: Sandbox) -> None:
    bench = Bench.at(tmp_path, sandbox, basket(providers=["steam", "buff163"]))
    bench.snapshot()
    sandbox.vanish(1, provider="steam", item_ids=[3, 8])
    sandbox.advance(600)
    bench.snapshot()
    assert bench.quotes() == ledger(sandbox, ["steam", "buff163"], [3, 8])
    assert {row[0] for row in bench.quotes()} == {"buff163"}
    assert bench.alerts() == []


@pytest.mark.slow
def test_degraded_provider_is_not_down(tmp_path: Path, sandbox: Sandbox) -> None:
    bench = Bench.at(tmp_path, sandbox, catalog_of("steam", "dupefi"))
    bench.snapshot()
    listed = sandbox.ledger(providers=["dupefi"]).height
    assert 0 < listed < 100
    sandbox.vanish(listed, provider="dupefi")
    sandbox.advance(600)
    bench.snapshot()
    assert bench.query("SELECT health FROM providers WHERE provider = 'dupefi'") == [("degraded",)]
    assert {row[0] for row in bench.quotes()} == {"steam"}
    assert dark_alerts(bench) == []


@pytest.mark.slow
def test_health_is_requested_only_if_a_provider_lists_nothing_any_more(
    tmp_path: Path, make_sandbox: MakeSandbox
) -> None:
    box = make_sandbox()
    bench = Bench.at(tmp_path, box, basket(providers=["steam", "buff163"]))
    bench.snapshot()
    bench.snapshot()
    assert len(box.requests.of_path("/v1/providers")) == 1
    box.set_provider_dark("steam")
    bench.snapshot()
    assert len(box.requests.of_path("/v1/providers")) == 2


def test_unknown_health_closes_no_quotes_and_makes_the_run_incomplete(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    bench = Bench.at(tmp_path, sandbox, basket(providers=["steam", "buff163"]))
    bench.snapshot()
    before = bench.quotes()
    sandbox.vanish(1, provider="steam", item_ids=[3, 8])
    sandbox.advance(600)
    sandbox.fault("redirect", path="/v1/providers", times=None)
    (result,) = bench.snapshot()
    assert (result.state, result.exit_code) == ("incomplete", 3)
    assert "the health of steam is unknown" in str(result.incomplete_reason)
    assert bench.quotes() == before
