"""The deployments of a configuration, for prefect.yaml and `floorline up`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import yaml
from prefect.client.schemas.actions import DeploymentScheduleCreate
from prefect.client.schemas.objects import ConcurrencyLimitConfig
from prefect.deployments.runner import RunnerDeployment
from prefect.runner.storage import LocalStorage

from common.errors import ConfigError
from flows import WORK_POOL
from pipelines.config import Settings

TAG: Final = "floorline"
HEARTBEAT: Final = 30  # seconds, the shortest that Prefect allows
RUN_ENV: Final = {
    "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": str(HEARTBEAT),
    # What Floorline logs outside of its flows, such as a channel that failed, is in the log of the run, too.
    "PREFECT_LOGGING_EXTRA_LOGGERS": "floorline",
}
ANCHOR: Final = (
    "2026-01-01T00:00:00+00:00"  # schedule slots are round times, whenever the deployment is applied
)
LIVE: Final = "flows.live.live"
# A run that is due while the last one goes on is cancelled: so one that ended is followed by another.
LIVE_EVERY: Final = timedelta(minutes=5)
NIGHTLY: Final = {"cron": "40 3 * * *", "timezone": "UTC", "active": True}
HEADER: Final = """\
# Deployments for `prefect deploy --all`, written by `floorline deployments` from a configuration:
# the repository's prefect.yaml from floorline.example.toml, your own prefect.local.yaml from floorline.toml.
# Keys are not here: workers read them from their own environment, a file, or a Prefect Secret block.
"""


def render_prefect_yaml(settings: Settings, config: Path | None) -> str:
    """Return the text of prefect.yaml; the same settings give the same text.

    Flow runs read the configuration at `config`; None: the one of their environment or working directory.
    Raises ConfigError for a path that Prefect would change.
    """
    _check_path(str(config))
    content = {"name": "floorline", "deployments": list(_deployments(settings, config))}
    return HEADER + yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=100)


def build_deployments(
    settings: Settings, config: Path, folder: Path, command: str | None = None
) -> list[RunnerDeployment]:
    """Return the deployments of prefect.yaml, to be applied without it. Raises as `render_prefect_yaml`.

    Runs start in `folder`, which needs no content: without one, Prefect would copy the current folder for
    every run. `command` starts Prefect's engine on the machine of every worker; without it, Prefect starts a
    process of its own before, which only finds out how to start the engine. The feeds are followed by another
    process of `floorline up`, and by no run.
    """
    _check_path(str(config))
    _check_path(str(folder))
    deployments = [
        _build_deployment(fields, folder)
        for fields in _deployments(settings, config)
        if fields["entrypoint"] != LIVE
    ]
    for deployment in deployments if command else ():
        deployment.job_variables = {**deployment.job_variables, "command": command}
    return deployments


def _build_deployment(fields: Mapping[str, Any], folder: Path) -> RunnerDeployment:
    """Return one deployment from its fields in prefect.yaml."""
    pool = fields["work_pool"]
    deployment = RunnerDeployment.from_entrypoint(
        **{name: fields[name] for name in ("entrypoint", "name", "description", "parameters", "tags")},
        concurrency_limit=ConcurrencyLimitConfig.model_validate(fields["concurrency_limit"]),
        work_pool_name=pool["name"],
        job_variables=pool["job_variables"],
    )
    deployment.storage = LocalStorage(str(folder))
    deployment.schedules = [
        DeploymentScheduleCreate.model_validate(
            {"active": schedule["active"], "schedule": {k: v for k, v in schedule.items() if k != "active"}}
        )
        for schedule in fields["schedules"]
    ]
    return deployment


def _check_path(config: str) -> None:
    """Raise ConfigError for a path that Prefect would change on its way to a run."""
    if "{{" in config:
        raise ConfigError(f"the path {config} has {{{{, which Prefect takes for a template: rename it")
    if config != config.encode(errors="replace").decode():
        raise ConfigError(f"the path {config} is not UTF-8 text, and Prefect takes no such text: rename it")


def _deployments(settings: Settings, config: Path | None) -> Iterator[dict[str, Any]]:
    for name, baskets in settings.deployments.items():
        names, first = [basket.name for basket in baskets], baskets[0]
        yield _deployment(
            name,
            f"Market snapshots of the basket{'s' if len(names) > 1 else ''} {', '.join(names)}.",
            "flows.snapshot.snapshot",
            parameters={"baskets": names, "config": config},
            tags=[
                *(f"basket:{name}" for name in names),
                *(f"source:{source}" for source in dict.fromkeys(basket.source for basket in baskets)),
            ],
            schedules=[_schedule(first.every, first.cron, first.timezone)],
        )
    yield _deployment(
        "on-demand",
        "Backfills from the API's history: price points, candles or sales.",
        "flows.backfill.backfill",
        parameters={"config": config},
        when_busy="ENQUEUE",
    )
    for source, every in settings.sales_every.items():
        yield _deployment(
            source,
            f"Reads the recent sales of {source}, late ones included.",
            "flows.backfill.sales",
            parameters={"source": source, "config": config},
            tags=[f"source:{source}"],
            schedules=[_schedule(every)],
        )
    if live := settings.live_baskets:
        yield _deployment(
            "live",
            f"Follows the live feeds of the basket{'s' if len(live) > 1 else ''}"
            f" {', '.join(basket.name for basket in live)}, until it is cancelled.",
            LIVE,
            parameters={"config": config},
            tags=[f"source:{source}" for source in dict.fromkeys(basket.source for basket in live)],
            schedules=[_schedule(LIVE_EVERY)],
        )
    yield _deployment(
        "nightly",
        "Loads pending landings, prunes old ones and publishes; sends no API request.",
        "flows.maintain.maintain",
        parameters={"config": config},
        schedules=[dict(NIGHTLY)],
    )


def _deployment(
    name: str,
    description: str,
    entrypoint: str,
    *,
    parameters: dict[str, Any],
    tags: Sequence[str] = (),
    schedules: Sequence[dict[str, Any]] = (),
    when_busy: str = "CANCEL_NEW",
) -> dict[str, Any]:
    """Return a deployment whose runs go one at a time; `when_busy` is what happens to a second run."""
    config = parameters["config"]
    return {
        "name": name,
        "description": description,
        "entrypoint": entrypoint,  # a module path: the package is wherever Python finds it
        "parameters": {**parameters, "config": str(config) if config else None},
        "tags": [TAG, *tags],
        "schedules": list(schedules),
        # The grace period is the time that a worker has to start a run before Prefect frees its slot.
        "concurrency_limit": {"limit": 1, "collision_strategy": when_busy, "grace_period_seconds": 120},
        "work_pool": {
            "name": WORK_POOL,
            "job_variables": {"env": dict(RUN_ENV)},  # YAML would write one object as an anchor
        },
    }


def _schedule(every: timedelta, cron: str | None = None, timezone: str = "UTC") -> dict[str, Any]:
    """Return a schedule of Prefect, by cron or interval; the configuration has checked both."""
    when = {"cron": cron} if cron else {"interval": int(every.total_seconds()), "anchor_date": ANCHOR}
    return {**when, "timezone": timezone, "active": True}
