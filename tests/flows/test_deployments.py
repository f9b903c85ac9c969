"""prefect.yaml: what floorline.toml says, in Prefect's words, and nothing that is secret."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from prefect.utilities.importtools import import_object

from common.errors import ConfigError
from flows.automations import LOST_AFTER
from flows.deployments import HEARTBEAT, NIGHTLY, render_prefect_yaml
from pipelines.config import Settings, load_settings, parse_settings
from tests.support.snapshots import basket, main_with, toml

REPOSITORY = Path(__file__).parents[2]
KEY = "cs2c_live_planted_2b7d"


def settings(*baskets: dict[str, Any], key: str = "env:CS2C_API_KEY") -> Settings:
    fields = {"sources": {"cs2cap": {"key": key}}, "baskets": list(baskets)}
    return parse_settings(fields, Path("/srv/market"))


def deployments(text: str) -> dict[str, dict[str, Any]]:
    """The deployments by name."""
    return {found["name"]: found for found in yaml.safe_load(text)["deployments"]}


def test_the_repository_s_file_says_what_its_configuration_says() -> None:
    written = (REPOSITORY / "prefect.yaml").read_text("utf-8")
    assert written == render_prefect_yaml(load_settings(REPOSITORY / "floorline.toml"), None)


def test_each_basket_has_a_deployment_of_its_own_and_the_night_has_one() -> None:
    minutely = basket("two", every="60s")
    made = deployments(render_prefect_yaml(settings(basket("core"), minutely), Path("/etc/f.toml")))
    assert list(made) == ["core", "two", "on-demand", "nightly"]
    two = made["two"]
    assert two["parameters"] == {"baskets": ["two"], "config": "/etc/f.toml"}
    assert two["tags"] == ["floorline", "basket:two", "source:cs2cap"]
    assert two["concurrency_limit"]["limit"] == 1
    assert two["concurrency_limit"]["collision_strategy"] == "CANCEL_NEW"
    assert two["work_pool"]["name"] == "floorline"
    (schedule,) = two["schedules"]
    assert (schedule["interval"], schedule["timezone"], schedule["active"]) == (60, "UTC", True)
    assert made["nightly"]["schedules"] == [NIGHTLY]


def test_a_backfill_is_there_on_demand_and_a_second_one_waits_for_the_first() -> None:
    made = deployments(render_prefect_yaml(settings(basket()), Path("/etc/f.toml")))["on-demand"]
    assert made["entrypoint"] == "flows/backfill.py:backfill"
    assert (made["parameters"], made["schedules"]) == ({"config": "/etc/f.toml"}, [])
    assert made["concurrency_limit"]["limit"] == 1
    assert made["concurrency_limit"]["collision_strategy"] == "ENQUEUE"


def test_a_cron_line_names_its_zone() -> None:
    made = deployments(
        render_prefect_yaml(settings(basket(cron="5 9 * * 1-5", timezone="Europe/Berlin")), None)
    )
    (schedule,) = made["core"]["schedules"]
    assert schedule == {"cron": "5 9 * * 1-5", "timezone": "Europe/Berlin", "active": True}


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"cron": "61 9 * * *"}, "61 9"),
        ({"cron": "5 9 * * *", "timezone": "Europe/Atlantis"}, "Atlantis"),
        ({"timezone": "Europe/Atlantis"}, "Atlantis"),
    ],
)
def test_a_schedule_that_does_not_work_is_told_in_one_line(fields: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError, match=told) as refused:
        render_prefect_yaml(settings(basket(**fields)), None)
    assert "basket core: its schedule does not work" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_the_entrypoints_are_the_flows() -> None:
    for made in deployments(render_prefect_yaml(settings(basket()), None)).values():
        path, _, name = made["entrypoint"].partition(":")
        assert (REPOSITORY / path).exists()
        assert import_object(f"{path.removesuffix('.py').replace('/', '.')}.{name}").name == name


def test_runs_send_the_heartbeats_that_the_automation_counts_on() -> None:
    for made in deployments(render_prefect_yaml(settings(basket()), None)).values():
        sent = made["work_pool"]["job_variables"]["env"]["PREFECT_FLOWS_HEARTBEAT_FREQUENCY"]
        assert int(sent) == HEARTBEAT
    assert LOST_AFTER.total_seconds() == 3 * HEARTBEAT


def test_no_key_is_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CS2C_API_KEY", KEY)
    text = render_prefect_yaml(settings(basket()), None)
    assert KEY not in text
    assert "CS2C_API_KEY" not in text


def test_the_command_writes_the_file_and_sees_when_it_is_out_of_date(tmp_path: Path) -> None:
    config, to = tmp_path / "floorline.toml", tmp_path / "prefect.yaml"
    config.write_text(toml({"sources.cs2cap": {}}, [basket()]), "utf-8")
    arguments = ("deployments", "--config", str(config), "--to", str(to))
    assert main_with(*arguments, "--check").code == 1
    assert main_with(*arguments).code == 0
    assert main_with(*arguments, "--check").code == 0
    config.write_text(toml({"sources.cs2cap": {}}, [basket(every="5m")]), "utf-8")
    said = main_with(*arguments, "--check")
    assert said.code == 1
    assert "run `floorline deployments`" in said.err
    assert main_with(*arguments).code == 0
    assert deployments(to.read_text("utf-8"))["core"]["schedules"][0]["interval"] == 300
