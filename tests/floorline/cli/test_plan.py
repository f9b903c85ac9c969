"""The command `floorline plan`: the cost of baskets per month, whether it fits, and what would fit."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from connectors.tiers import limits_for
from pipelines.config import BasketSettings
from pipelines.planning.baskets import PlannedBasket
from pipelines.planning.forecast import ForecastInput, SourceForecast, forecast
from pipelines.planning.model import CatalogSizes, SnapshotRequest
from pipelines.planning.schedule import RunFrequency, frequency_of_interval
from pipelines.planning.snapshot_planner import plan_snapshot
from sandbox.core import Sandbox
from tests.support.json_outputs import read_result
from tests.support.sandboxes import MakeSandbox
from tests.support.snapshots import Bench, CommandOutput, basket, catalog_of, main_with

pytestmark = pytest.mark.usefixtures("no_prefect")
CATALOGS = ("/v1/items", "/v1/providers", "/v1/fx")
FREE_OF_QUOTA = "/v1/account/key"


@pytest.fixture
def limited(make_sandbox: MakeSandbox) -> Sandbox:
    return make_sandbox(limits=True, tier="starter")


def plan(bench: Bench, *arguments: str) -> CommandOutput:
    return main_with("plan", "--config", str(bench.config), *arguments)


def forecasts(output: CommandOutput) -> dict[str, dict[str, Any]]:
    """Return the forecasts of the only source by basket."""
    (source,) = read_result(output.out)["sources"]
    return {forecast["basket"]: forecast for forecast in source["baskets"]}


def test_forecast_has_requests_minutes_runs_and_share(tmp_path: Path, limited: Sandbox) -> None:
    bench = Bench.at(tmp_path, limited, basket(route="auto", currencies=["USD", "EUR"], every="1h"))
    output = plan(bench, "--json")
    core = forecasts(output)["core"]
    assert output.code == 0
    assert [(step["route"], step["currency"], step["requests"]) for step in core["routes"]] == [
        ("batch", "USD", 1),
        ("batch", "EUR", 1),
    ]
    assert (core["requests_per_run"], core["exact"]) == (2, True)
    assert core["run_seconds"] == pytest.approx(60 * 2 / 40)
    assert (core["runs_per_day"], core["requests_per_month"]) == (24, 1440)
    assert core["share_of_month"] == 1440 / 50_000
    assert (core["fits"], core["verdict"]) == (True, "fits")
    (source,) = read_result(output.out)["sources"]
    assert source["requests_per_month"] == 1440 + 30 * 3


def test_only_missing_catalogs_are_requested_and_reported(tmp_path: Path, limited: Sandbox) -> None:
    bench = Bench.at(tmp_path, limited, basket(currencies=["USD", "EUR"]))
    first = plan(bench)
    assert sorted(entry.path for entry in limited.requests.since()) == sorted([*CATALOGS, FREE_OF_QUOTA])
    assert "3 of the month" in first.err
    before = len(limited.requests)
    again = plan(bench)
    assert [entry.path for entry in limited.requests.since(before)] == [FREE_OF_QUOTA]
    assert again.err == ""


def test_configured_tier_and_cached_catalogs_need_no_request(tmp_path: Path, limited: Sandbox) -> None:
    bench = Bench.at(tmp_path, limited, basket(), source={"tier": "starter"})
    bench.snapshot()
    before = len(limited.requests)
    assert plan(bench, "--offline").code == 0
    assert plan(bench).code == 0
    assert len(limited.requests) == before


@pytest.mark.parametrize("source", [{"tier": "starter"}, {}], ids=["no catalogs", "no tier"])
def test_offline_sends_no_request(tmp_path: Path, limited: Sandbox, source: dict[str, str]) -> None:
    output = plan(Bench.at(tmp_path, limited, basket(), source=source), "--offline")
    assert output.code == 2
    assert "--offline" in output.err
    assert len(limited.requests) == 0


def test_missing_key_is_a_usage_error(tmp_path: Path, limited: Sandbox) -> None:
    bench = Bench.at(tmp_path, limited, basket(), source={"key": "env:FLOORLINE_TEST_NO_SUCH_KEY"})
    output = plan(bench)
    assert output.code == 2
    assert "FLOORLINE_TEST_NO_SUCH_KEY" in output.err


def test_basket_that_does_not_fit_names_the_nearest_schedule_that_fits(
    tmp_path: Path, make_sandbox: MakeSandbox
) -> None:
    box = make_sandbox(limits=True, tier="free")
    bench = Bench.at(tmp_path, box, basket(every="10m"), basket("rare", every="1d"))
    output = plan(bench, "--json")
    baskets = forecasts(output)
    assert output.code == 5
    assert baskets["core"]["verdict"].startswith("every 2h fits; every 10m would need 8,640 requests a month")
    assert baskets["rare"]["fits"]
    text = plan(bench).out
    assert "does not fit" in text
    assert "every 2h fits" in text
    assert all(len(row.rstrip()) <= 100 for row in text.splitlines())


def test_fx_table_is_suggested_where_it_would_fit(tmp_path: Path, limited: Sandbox) -> None:
    five = ["USD", "EUR", "GBP", "JPY", "BTC"]
    bench = Bench.at(tmp_path, limited, basket(route="auto", currencies=five, every="3m"))
    assert forecasts(plan(bench, "--json"))["core"]["verdict"].startswith('fx = "table" fits; every 3m would')


def forecast_listing(frequency: RunFrequency) -> SourceForecast:
    """Return the forecast of one SkinShark basket of a single market that runs at this frequency."""
    limits = limits_for("standard", kind="skinshark")
    request = SnapshotRequest("skinshark", None, ("c5",))
    settings = BasketSettings(name="core", source="skinshark", items=("all",))
    planned = PlannedBasket(settings, plan_snapshot(request, limits, CatalogSizes()), request)
    inputs = [ForecastInput("core", frequency, planned)]
    return forecast("skinshark", inputs, limits, sizes=CatalogSizes(), used=None)


def test_run_that_takes_longer_than_its_interval_does_not_fit() -> None:
    result = forecast_listing(frequency_of_interval(timedelta(seconds=1)))
    assert result.baskets[0].verdict == "every 1m fits; every 1s is shorter than a run, which takes 2s"
    assert not result.fits


def test_basket_without_a_run_in_thirty_days_costs_nothing() -> None:
    result = forecast_listing(RunFrequency(a_month=0, a_day_at_most=0))
    assert (result.fits, result.requests_a_month) == (True, 0)


def test_basket_that_the_tier_forbids_does_not_affect_the_others(
    tmp_path: Path, make_sandbox: MakeSandbox
) -> None:
    box = make_sandbox(limits=True, tier="free")
    bench = Bench.at(tmp_path, box, basket(bids=True, every="1d"), basket("other", every="1d"))
    output = plan(bench, "--json")
    assert output.code == 5
    assert forecasts(output)["core"]["verdict"] == "the free tier does not include bids"
    assert forecasts(output)["other"]["fits"]


def test_catalog_that_was_fetched_is_counted_exactly(tmp_path: Path, make_sandbox: MakeSandbox) -> None:
    box = make_sandbox(limits=True, tier="free")
    bench = Bench.at(tmp_path, box, catalog_of("steam", every="1d"))
    before = forecasts(plan(bench, "--json"))["core"]
    (result,) = bench.snapshot()
    after = forecasts(plan(bench, "--json"))["core"]
    assert (before["exact"], before["requests_per_run"]) == (False, 3)
    assert (after["exact"], after["requests_per_run"]) == (True, result.pages)


def test_stream_starts_go_to_the_first_baskets(tmp_path: Path, make_sandbox: MakeSandbox) -> None:
    box = make_sandbox(limits=True, tier="pro")
    catalog = {"items": ["all"], "providers": ["all"], "route": "auto"}
    intervals = {"hourly": "1h", "often": "50m", "daily": "1d"}
    bench = Bench.at(
        tmp_path, box, *(basket(name, every=each, **catalog) for name, each in intervals.items())
    )
    baskets = forecasts(plan(bench, "--json"))
    routes = {name: {step["route"] for step in basket["routes"]} for name, basket in baskets.items()}
    assert routes == {"hourly": {"stream"}, "often": {"catalog"}, "daily": {"stream"}}


def test_error_of_an_item_file_names_the_basket_once(bench: Bench) -> None:
    bench.config.write_text(
        bench.config.read_text("utf-8").replace("items = [", 'items = ["file:none.txt", ')
    )
    output = plan(bench)
    line = "floorline: basket core: none.txt cannot be read: No such file or directory\n"
    assert (output.code, output.err) == (2, line)
