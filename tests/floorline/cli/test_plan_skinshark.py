"""The command `floorline plan` for SkinShark, of which no route reports the tier."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sandbox.core import Sandbox
from tests.support.json_outputs import read_result
from tests.support.skinshark import configure_both_sources, skinshark_basket
from tests.support.snapshots import REDLINE, Bench, CommandOutput, main_with

pytestmark = pytest.mark.usefixtures("no_prefect")
NO_KEY = {"key": "env:FLOORLINE_TEST_NO_SUCH_KEY"}


def plan(bench: Bench, *arguments: str) -> CommandOutput:
    return main_with("plan", "--config", str(bench.config), *arguments)


def forecast(output: CommandOutput) -> dict[str, Any]:
    """Return the forecast of the only source."""
    assert output.code == 0, output.err
    (source,) = read_result(output.out)["sources"]
    return dict(source)


def test_offline_plan_needs_neither_key_nor_catalogs(tmp_path: Path, sandbox: Sandbox) -> None:
    bench = configure_both_sources(tmp_path, sandbox, skinshark_basket(every="10m"), **NO_KEY)
    source = forecast(plan(bench, "--offline", "--json"))
    assert (source["tier"], source["tier_assumed"], source["limit_per_minute"]) == ("standard", True, 60)
    (basket,) = source["baskets"]
    assert (basket["requests_per_run"], basket["exact"], basket["run_seconds"]) == (1, True, 1)
    assert "standard tier (assumed: the API reports no tier" in plan(bench, "--offline").out
    assert len(sandbox.skinshark.requests) == 0


def test_configured_tier_is_taken(tmp_path: Path, sandbox: Sandbox) -> None:
    bench = configure_both_sources(tmp_path, sandbox, skinshark_basket(), tier="premium", **NO_KEY)
    source = forecast(plan(bench, "--offline", "--json"))
    assert (source["tier"], source["tier_assumed"], source["limit_per_minute"]) == ("premium", False, 180)
    assert "assumed" not in plan(bench, "--offline").out


def test_names_need_the_catalog(tmp_path: Path, sandbox: Sandbox) -> None:
    bench = configure_both_sources(tmp_path, sandbox, skinshark_basket(items=[REDLINE]))
    refused = plan(bench, "--offline")
    assert (refused.code, len(sandbox.skinshark.requests)) == (2, 0)
    assert "the catalog of items is not cached" in refused.err
    assert plan(bench).code == plan(bench, "--offline").code == 0


def test_single_market_counts_its_proof(tmp_path: Path, sandbox: Sandbox) -> None:
    bench = configure_both_sources(tmp_path, sandbox, skinshark_basket(), market="c5")
    (basket,) = forecast(plan(bench, "--offline", "--json"))["baskets"]
    assert (basket["requests_per_run"], basket["exact"]) == (2, False)
    bench.snapshot()
    before = len(sandbox.skinshark.requests)
    (result,) = bench.snapshot()
    sent = sandbox.skinshark.requests.of_path("/market/prices", before)
    assert (result.requests, len(sent)) == (2, 2)
