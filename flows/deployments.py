"""Render prefect.yaml from the configuration: a deployment per basket, backfills, sales, maintenance."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import yaml
from prefect.client.schemas.schedules import CronSchedule, IntervalSchedule
from pydantic import ValidationError

from common.errors import ConfigError
from flows import WORK_POOL
from pipelines.config import BasketSettings, Settings

TAG: Final = "floorline"
HEARTBEAT: Final = 30  # seconds, the shortest that Prefect allows
ANCHOR: Final = (
    "2026-01-01T00:00:00+00:00"  # schedule slots are round times, whenever the deployment is applied
)
NIGHTLY: Final = {"cron": "40 3 * * *", "timezone": "UTC", "active": True}
HEADER: Final = """\
# The deployments of floorline.toml, written by `floorline deployments`, for `prefect deploy --all`.
# Keys are not here: workers read them from their own environment, a file, or a Prefect Secret block.
"""


def render_prefect_yaml(settings: Settings, config: Path | None) -> str:
    """Return the text of prefect.yaml; the same settings give the same text.

    Flow runs read the configuration at `config`; None: the one of their environment or working directory.
    Raises ConfigError for an invalid cron expression or time zone.
    """
    deployments = [_snapshot(basket, config) for basket in settings.baskets]
    deployments += [_on_demand(config), *_sales(settings, config)]
    content = {"name": "floorline", "deployments": [*deployments, _maintenance(config)]}
    return HEADER + yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=100)


def _snapshot(basket: BasketSettings, config: Path | None) -> dict[str, Any]:
    return {
        "name": basket.name,
        "description": f"Market snapshots of the basket {basket.name}.",
        "entrypoint": "flows/snapshot.py:snapshot",
        "parameters": {"baskets": [basket.name], "config": str(config) if config else None},
        "tags": [TAG, f"basket:{basket.name}", f"source:{basket.source}"],
        "schedules": [
            _schedule(f"basket {basket.name}", basket.every, basket.cron, timezone=basket.timezone)
        ],
        **_work_pool_settings(),
    }


def _on_demand(config: Path | None) -> dict[str, Any]:
    """Return the deployment of backfills that a user starts; a second run waits for the first."""
    return {
        "name": "on-demand",
        "description": "Backfills from the API's history: price points, candles or sales.",
        "entrypoint": "flows/backfill.py:backfill",
        "parameters": {"config": str(config) if config else None},
        "tags": [TAG],
        "schedules": [],
        **_work_pool_settings("ENQUEUE"),
    }


def _sales(settings: Settings, config: Path | None) -> Iterator[dict[str, Any]]:
    """Yield the deployment of each source whose sales are read on schedule."""
    for source, every in settings.sales_every.items():
        yield {
            "name": source,
            "description": f"Reads the recent sales of {source}, late ones included.",
            "entrypoint": "flows/backfill.py:sales",
            "parameters": {"source": source, "config": str(config) if config else None},
            "tags": [TAG, f"source:{source}"],
            "schedules": [_schedule(f"source {source}: sales", every)],
            **_work_pool_settings(),
        }


def _maintenance(config: Path | None) -> dict[str, Any]:
    return {
        "name": "nightly",
        "description": "Loads pending landings, prunes old ones and publishes; sends no API request.",
        "entrypoint": "flows/maintain.py:maintain",
        "parameters": {"config": str(config) if config else None},
        "tags": [TAG],
        "schedules": [dict(NIGHTLY)],
        **_work_pool_settings(),
    }


def _work_pool_settings(strategy: str = "CANCEL_NEW") -> Mapping[str, Any]:
    """Return the work pool and the concurrency: one run at a time; by default a slow run cancels the next."""
    return {
        "concurrency_limit": {"limit": 1, "collision_strategy": strategy, "grace_period_seconds": 120},
        "work_pool": {
            "name": WORK_POOL,
            "job_variables": {"env": {"PREFECT_FLOWS_HEARTBEAT_FREQUENCY": str(HEARTBEAT)}},
        },
    }


def _schedule(
    owner: str, every: timedelta, cron: str | None = None, *, timezone: str = "UTC"
) -> dict[str, Any]:
    """Return a schedule, by cron or interval. Raises ConfigError, naming `owner`, if Prefect rejects it."""
    if cron is not None:
        schedule: dict[str, Any] = {"cron": cron, "timezone": timezone}
        model: type[CronSchedule | IntervalSchedule] = CronSchedule
    else:
        seconds = int(every.total_seconds())
        schedule = {"interval": seconds, "anchor_date": ANCHOR, "timezone": timezone}
        model = IntervalSchedule
    try:
        model.model_validate(schedule)
    except ValidationError as error:
        reason = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise ConfigError(f"{owner}: its schedule does not work: {reason}") from None
    return {**schedule, "active": True}
