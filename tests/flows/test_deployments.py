"""prefect.yaml holds the deployments of a configuration, and no key."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from prefect.client.schemas.objects import State
from prefect.states import (
    Completed,
    Crashed,
    InfrastructurePending,
    Pending,
    Running,
    Scheduled,
    Submitting,
)
from prefect.utilities.importtools import import_object

from common.errors import ConfigError
from flows.automations import LOST_AFTER, SIGNS_OF_LIFE
from flows.deployments import HEARTBEAT, LIVE, NIGHTLY, build_deployments, render_prefect_yaml
from pipelines.config import Settings, load_settings, parse_settings
from tests.support.json_outputs import read_result
from tests.support.snapshots import basket, main_with, toml

REPOSITORY = Path(__file__).parents[2]
KEY = "cs2c_live_planted_2b7d"


def settings(*baskets: dict[str, Any], key: str = "env:CS2C_API_KEY") -> Settings:
    fields = {"sources": {"cs2cap": {"key": key}}, "baskets": list(baskets)}
    return parse_settings(fields, Path("/srv/market"))


def deployments(text: str) -> dict[str, dict[str, Any]]:
    """Return the deployments by name."""
    return {one["name"]: one for one in yaml.safe_load(text)["deployments"]}


def test_repository_file_matches_its_configuration() -> None:
    written = (REPOSITORY / "prefect.yaml").read_text("utf-8")
    assert written == render_prefect_yaml(load_settings(REPOSITORY / "floorline.example.toml"), None)


def test_each_basket_has_a_deployment() -> None:
    minutely = basket("two", every="60s")
    by_name = deployments(render_prefect_yaml(settings(basket("core"), minutely), Path("/etc/f.toml")))
    assert list(by_name) == ["core", "two", "on-demand", "nightly"]
    two = by_name["two"]
    assert two["parameters"] == {"baskets": ["two"], "config": "/etc/f.toml"}
    assert two["tags"] == ["floorline", "basket:two", "source:cs2cap"]
    assert two["concurrency_limit"]["limit"] == 1
    assert two["concurrency_limit"]["collision_strategy"] == "CANCEL_NEW"
    assert two["work_pool"]["name"] == "floorline"
    (schedule,) = two["schedules"]
    assert (schedule["interval"], schedule["timezone"], schedule["active"]) == (60, "UTC", True)
    assert by_name["nightly"]["schedules"] == [NIGHTLY]


def test_live_baskets_have_a_deployment_that_up_does_not_need(tmp_path: Path) -> None:
    live = settings(basket("core", live=True), basket("two"))
    deployment = deployments(render_prefect_yaml(live, Path("/etc/f.toml")))["live"]
    assert deployment["entrypoint"] == LIVE
    assert deployment["parameters"] == {"config": "/etc/f.toml"}
    assert deployment["concurrency_limit"]["collision_strategy"] == "CANCEL_NEW"
    assert import_object(LIVE).name == "live"
    names = [each.name for each in build_deployments(live, Path("/etc/f.toml"), tmp_path)]
    assert names == ["core", "two", "on-demand", "nightly"]


def test_baskets_of_one_deployment_share_its_runs() -> None:
    fields = {
        "sources": {"cs2cap": {"key": "env:CS2C_API_KEY"}, "skinshark": {"key": "env:SKINSHARK_API_KEY"}},
        "baskets": [
            basket("core", deployment="both"),
            basket("alone"),
            basket("shark", source="skinshark", deployment="both"),
        ],
    }
    by_name = deployments(render_prefect_yaml(parse_settings(fields, Path("/srv/market")), None))
    assert list(by_name) == ["both", "alone", "on-demand", "nightly"]
    assert by_name["both"]["parameters"]["baskets"] == ["core", "shark"]
    assert by_name["both"]["tags"] == [
        "floorline", "basket:core", "basket:shark", "source:cs2cap", "source:skinshark"
    ]  # fmt: skip
    assert by_name["both"]["schedules"] == by_name["alone"]["schedules"]


def test_baskets_of_one_deployment_need_one_schedule() -> None:
    with pytest.raises(ConfigError, match="deployment is that of core, which has another schedule"):
        settings(basket("core"), basket("minutely", every="60s", deployment="core"))


def test_second_backfill_waits_for_the_first() -> None:
    deployment = deployments(render_prefect_yaml(settings(basket()), Path("/etc/f.toml")))["on-demand"]
    assert deployment["entrypoint"] == "flows.backfill.backfill"
    assert (deployment["parameters"], deployment["schedules"]) == ({"config": "/etc/f.toml"}, [])
    assert deployment["concurrency_limit"]["limit"] == 1
    assert deployment["concurrency_limit"]["collision_strategy"] == "ENQUEUE"


def test_cron_schedule_has_its_time_zone() -> None:
    by_name = deployments(
        render_prefect_yaml(settings(basket(cron="5 9 * * 1-5", timezone="Europe/Berlin")), None)
    )
    (schedule,) = by_name["core"]["schedules"]
    assert schedule == {"cron": "5 9 * * 1-5", "timezone": "Europe/Berlin", "active": True}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"cron": "61 9 * * *"}, "cron is no cron expression"),
        ({"cron": "5 9 * * *", "timezone": "Europe/Atlantis"}, "timezone is no time zone"),
        ({"timezone": "Europe/Atlantis"}, "timezone is no time zone"),
    ],
)
def test_invalid_schedule_is_a_one_line_config_error(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as refused:
        render_prefect_yaml(settings(basket(**fields)), None)
    assert "basket core: " in str(refused.value)
    assert "\n" not in str(refused.value)


def test_entrypoints_are_flows() -> None:
    for deployment in deployments(render_prefect_yaml(settings(basket()), None)).values():
        entrypoint = deployment["entrypoint"]
        assert import_object(entrypoint).name == entrypoint.rpartition(".")[2]


def test_deployments_of_up_are_those_of_the_file() -> None:
    baskets = (basket("core"), basket("daily", cron="5 9 * * 1-5", timezone="Europe/Berlin"))
    config = Path("/etc/f.toml")
    by_name = deployments(render_prefect_yaml(settings(*baskets), config))
    built = build_deployments(settings(*baskets), config, Path("/srv/market/prefect"))
    assert [one.name for one in built] == list(by_name)
    for one in built:
        fields = by_name[one.name]
        assert (one.entrypoint, one.flow_name) == (
            fields["entrypoint"],
            fields["entrypoint"].rpartition(".")[2],
        )
        assert (one.parameters, one.tags) == (fields["parameters"], fields["tags"])
        limit = fields["concurrency_limit"]
        assert one.concurrency_options is not None
        assert one.concurrency_options.model_dump() == {
            "collision_strategy": limit["collision_strategy"],
            "grace_period_seconds": limit["grace_period_seconds"],
        }
        assert one.concurrency_limit == limit["limit"]
        assert one.storage is not None  # else Prefect copies the current folder for each run
        assert one.storage.to_pull_step() == {
            "prefect.deployments.steps.set_working_directory": {"directory": "/srv/market/prefect"}
        }
        assert one.job_variables == fields["work_pool"]["job_variables"]
        for applied, written in zip(one.schedules or [], fields["schedules"], strict=True):
            kept = applied.schedule.model_dump(mode="json") if applied.schedule else {}
            assert kept["timezone"] == written["timezone"]
            assert kept.get("cron") == written.get("cron")
            assert kept.get("interval") == written.get("interval")
            assert applied.active


def test_command_of_a_run_is_set_where_it_is_known() -> None:
    for command in (None, "python -m prefect.engine"):
        for one in build_deployments(settings(basket()), Path("/etc/f.toml"), Path("/srv"), command):
            assert one.job_variables.get("command") == command


def test_heartbeat_matches_the_crash_automation() -> None:
    for deployment in deployments(render_prefect_yaml(settings(basket()), None)).values():
        frequency = deployment["work_pool"]["job_variables"]["env"]["PREFECT_FLOWS_HEARTBEAT_FREQUENCY"]
        assert int(frequency) == HEARTBEAT
    assert LOST_AFTER.total_seconds() == 3 * HEARTBEAT


def test_crash_automation_waits_after_every_state_before_the_end() -> None:
    """A run that is lost between two of these would hold the only slot of its deployment for good."""
    begun: list[State[Any]] = [Pending(), Submitting(), InfrastructurePending(), Running()]
    others: list[State[Any]] = [Scheduled(), Completed(), Crashed()]
    assert {state.name for state in begun} < set(SIGNS_OF_LIFE)
    assert not {state.name for state in others} & set(SIGNS_OF_LIFE)


def test_file_contains_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CS2C_API_KEY", KEY)
    text = render_prefect_yaml(settings(basket()), None)
    assert KEY not in text
    assert "CS2C_API_KEY" not in text


def test_command_writes_the_file_and_detects_an_outdated_one(tmp_path: Path) -> None:
    config, file = tmp_path / "floorline.toml", tmp_path / "prefect.yaml"
    config.write_text(toml({"sources.cs2cap": {}}, [basket()]), "utf-8")
    arguments = ("deployments", "--config", str(config), "--to", str(file))
    assert main_with(*arguments, "--check").code == 1
    assert main_with(*arguments).code == 0
    assert main_with(*arguments, "--check").code == 0
    config.write_text(toml({"sources.cs2cap": {}}, [basket(every="5m")]), "utf-8")
    result = main_with(*arguments, "--check", "--json")
    assert read_result(result.out) == {"file": str(file), "written": False, "up_to_date": False}
    assert result.code == 1
    assert "run `floorline deployments`" in result.err
    written = main_with(*arguments, "--json").out
    assert read_result(written) == {"file": str(file), "written": True, "up_to_date": True}
    assert deployments(file.read_text("utf-8"))["core"]["schedules"][0]["interval"] == 300


def test_sales_deployment_exists_only_for_sources_with_a_sales_schedule() -> None:
    fields = {"sources": {"cs2cap": {"sales": "24h"}}, "baskets": [basket()]}
    text = render_prefect_yaml(parse_settings(fields, Path("/srv/market")), None)
    (sales,) = [one for one in yaml.safe_load(text)["deployments"] if one["entrypoint"].endswith(".sales")]
    assert sales["entrypoint"] == "flows.backfill.sales"
    assert (sales["name"], sales["parameters"]) == ("cs2cap", {"source": "cs2cap", "config": None})
    (schedule,) = sales["schedules"]
    assert schedule["interval"] == 86400
    assert sales["concurrency_limit"]["collision_strategy"] == "CANCEL_NEW"
    without = parse_settings({"sources": {"cs2cap": {}}, "baskets": [basket()]}, Path("/srv/market"))
    assert "backfill.sales" not in render_prefect_yaml(without, None)


def test_invalid_sales_interval_is_a_config_error() -> None:
    fields = {"sources": {"cs2cap": {"sales": "0s"}}, "baskets": [basket()]}
    with pytest.raises(ConfigError, match="source cs2cap: sales must be from 10s"):
        render_prefect_yaml(parse_settings(fields, Path("/srv/market")), None)
