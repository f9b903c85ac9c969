"""A key of which the API reports neither tier nor limits is not taken for one of the free tier."""

from __future__ import annotations

from pathlib import Path

import pytest

from sandbox.core import Sandbox
from sandbox.cs2cap.keys import VALID_KEY
from tests.support.sandboxes import MakeSandbox
from tests.support.snapshots import Bench, basket, main_with, price_requests

pytestmark = pytest.mark.usefixtures("no_prefect")


@pytest.fixture
def unknown(sandbox: Sandbox) -> Sandbox:
    """Return a sandbox whose account reports no limits."""
    sandbox.key(VALID_KEY).limits_reported = False
    return sandbox


@pytest.mark.parametrize("command", ["snapshot", "plan"])
def test_automatic_tier_asks_for_the_tier(tmp_path: Path, unknown: Sandbox, command: str) -> None:
    bench = Bench.at(tmp_path, unknown, basket())
    output = main_with(command, "--config", str(bench.config))
    assert output.code == 2
    assert "cs2cap: the API reports neither the tier nor the limits of this key" in output.out + output.err
    assert "Set `tier` of this source in the configuration" in output.out + output.err
    assert price_requests(unknown) == []


def test_unknown_tier_of_one_source_does_not_affect_another(
    tmp_path: Path, unknown: Sandbox, make_sandbox: MakeSandbox
) -> None:
    boxes = {"cs2cap": unknown, "other": make_sandbox()}
    bench = Bench.at(tmp_path, boxes, basket(), basket("second", source="other"))
    first, second = bench.snapshot()
    assert (first.state, second.state) == ("failed", "done")
    assert "neither the tier nor the limits" in str(first.error)


def test_configured_tier_has_its_routes_and_limits(tmp_path: Path, unknown: Sandbox) -> None:
    bench = Bench.at(tmp_path, unknown, basket(route="auto"), source={"tier": "pro"})
    (result,) = bench.snapshot()
    assert (result.state, result.quota_remaining) == ("done", 500_000 - result.requests)
