"""`floorline plan`: what baskets cost in a month, whether that fits, what would, what the asking costs."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from connectors.tiers import limits_for
from pipelines.config import BasketSettings
from pipelines.planning.baskets import PlannedBasket
from pipelines.planning.forecast import ForecastInput, forecast
from pipelines.planning.model import CatalogSizes, SnapshotRequest
from pipelines.planning.schedule import frequency_of_interval
from pipelines.planning.snapshot_planner import plan_snapshot as made_plan
from sandbox.core import Sandbox
from tests.support.sandboxes import MakeSandbox
from tests.support.snapshots import Bench, Said, basket, catalog_of, main_with

pytestmark = pytest.mark.usefixtures("no_prefect")
CATALOGS = ("/v1/items", "/v1/providers", "/v1/fx")
FREE_OF_QUOTA = "/v1/account/key"


@pytest.fixture
def limited(make_sandbox: MakeSandbox) -> Sandbox:
    return make_sandbox(limits=True, tier="starter")


def plan(bench: Bench, *arguments: str) -> Said:
    return main_with("plan", "--config", str(bench.config), *arguments)


def judged(said: Said) -> dict[str, dict[str, Any]]:
    """The baskets of the only source, by name."""
    (source,) = json.loads(said.out)["sources"]
    return {found["basket"]: found for found in source["baskets"]}


def test_it_tells_requests_minutes_runs_month_and_share(tmp_path: Path, limited: Sandbox) -> None:
    bench = Bench.at(tmp_path, limited, basket(route="auto", currencies=["USD", "EUR"], every="1h"))
    said = plan(bench, "--json")
    found = judged(said)["core"]
    assert said.code == 0
    assert [(leg["route"], leg["currency"], leg["requests"]) for leg in found["routes"]] == [
        ("batch", "USD", 1),
        ("batch", "EUR", 1),
    ]
    assert (found["requests"], found["exact"], found["minutes"]) == (2, True, 2 / 40)
    assert (found["runs_a_day"], found["requests_a_month"], found["share"]) == (24, 1440, 1440 / 50_000)
    assert (found["fits"], found["verdict"]) == (True, "fits")
    (source,) = json.loads(said.out)["sources"]
    assert source["requests_a_month"] == 1440 + 30 * 3


def test_it_spends_only_the_catalogs_that_are_not_at_hand_and_says_so(
    tmp_path: Path, limited: Sandbox
) -> None:
    bench = Bench.at(tmp_path, limited, basket(currencies=["USD", "EUR"]))
    first = plan(bench)
    assert sorted(entry.path for entry in limited.requests.since()) == sorted([*CATALOGS, FREE_OF_QUOTA])
    assert "3 of the month" in first.err
    before = len(limited.requests)
    again = plan(bench)
    assert [entry.path for entry in limited.requests.since(before)] == [FREE_OF_QUOTA]
    assert again.err == ""


def test_a_tier_in_the_configuration_and_cached_catalogs_need_no_network(
    tmp_path: Path, limited: Sandbox
) -> None:
    bench = Bench.at(tmp_path, limited, basket(), source={"tier": "starter"})
    bench.snapshot()
    before = len(limited.requests)
    assert plan(bench, "--offline").code == 0
    assert plan(bench).code == 0
    assert len(limited.requests) == before


@pytest.mark.parametrize("source", [{"tier": "starter"}, {}], ids=["no catalogs", "no tier"])
def test_offline_refuses_to_ask(tmp_path: Path, limited: Sandbox, source: dict[str, str]) -> None:
    said = plan(Bench.at(tmp_path, limited, basket(), source=source), "--offline")
    assert said.code == 2
    assert "--offline" in said.err
    assert len(limited.requests) == 0


def test_without_a_key_the_tier_must_be_told(tmp_path: Path, limited: Sandbox) -> None:
    bench = Bench.at(tmp_path, limited, basket(), source={"key": "env:FLOORLINE_TEST_NO_SUCH_KEY"})
    said = plan(bench)
    assert said.code == 2
    assert "FLOORLINE_TEST_NO_SUCH_KEY" in said.err


def test_what_does_not_fit_names_the_nearest_schedule_that_does(
    tmp_path: Path, make_sandbox: MakeSandbox
) -> None:
    box = make_sandbox(limits=True, tier="free")
    bench = Bench.at(tmp_path, box, basket(every="10m"), basket("rare", every="1d"))
    said = plan(bench, "--json")
    found = judged(said)
    assert said.code == 5
    assert found["core"]["verdict"].startswith("every 2h fits; every 10m would need 8,640 requests a month")
    assert found["rare"]["fits"]
    text = plan(bench).out
    assert "does not fit" in text
    assert "every 2h fits" in text
    assert all(len(row.rstrip()) <= 100 for row in text.splitlines())


def test_one_table_of_rates_is_offered_where_it_would_fit(tmp_path: Path, limited: Sandbox) -> None:
    five = ["USD", "EUR", "GBP", "JPY", "BTC"]
    bench = Bench.at(tmp_path, limited, basket(route="auto", currencies=five, every="3m"))
    assert judged(plan(bench, "--json"))["core"]["verdict"].startswith('fx = "table" fits; every 3m would')


def test_a_run_that_takes_longer_than_its_interval_does_not_fit() -> None:
    terms, want = limits_for("standard", kind="skinshark"), SnapshotRequest("skinshark", None, ("skinshark",))
    settings = BasketSettings(name="core", source="skinshark", items=("all",))
    ready = PlannedBasket(settings, made_plan(want, terms, CatalogSizes()), want)
    found = forecast(
        "skinshark",
        [ForecastInput("core", frequency_of_interval(timedelta(seconds=3)), ready)],
        terms,
        sizes=CatalogSizes(),
        used=None,
    )
    assert found.baskets[0].verdict == "every 1m fits; every 3s is shorter than a run, which takes 5s"
    assert not found.fits


def test_what_the_tier_lacks_is_told_beside_the_other_baskets(
    tmp_path: Path, make_sandbox: MakeSandbox
) -> None:
    box = make_sandbox(limits=True, tier="free")
    bench = Bench.at(tmp_path, box, basket(bids=True, every="1d"), basket("other", every="1d"))
    said = plan(bench, "--json")
    assert said.code == 5
    assert judged(said)["core"]["verdict"] == "the free tier does not include bids"
    assert judged(said)["other"]["fits"]


def test_a_catalog_that_was_walked_is_counted_exactly(tmp_path: Path, make_sandbox: MakeSandbox) -> None:
    box = make_sandbox(limits=True, tier="free")
    bench = Bench.at(tmp_path, box, catalog_of("steam", every="1d"))
    before = judged(plan(bench, "--json"))["core"]
    (result,) = bench.snapshot()
    after = judged(plan(bench, "--json"))["core"]
    assert (before["exact"], before["requests"]) == (False, 3)
    assert (after["exact"], after["requests"]) == (True, result.pages)


def test_stream_starts_go_to_the_first_baskets(tmp_path: Path, make_sandbox: MakeSandbox) -> None:
    box = make_sandbox(limits=True, tier="pro")
    whole = {"items": ["all"], "providers": ["all"], "route": "auto"}
    intervals = {"hourly": "1h", "often": "50m", "daily": "1d"}
    bench = Bench.at(tmp_path, box, *(basket(name, every=each, **whole) for name, each in intervals.items()))
    found = judged(plan(bench, "--json"))
    routes = {name: {leg["route"] for leg in basket["routes"]} for name, basket in found.items()}
    assert routes == {"hourly": {"stream"}, "often": {"catalog"}, "daily": {"stream"}}
