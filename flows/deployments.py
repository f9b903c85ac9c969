"""From floorline.toml to prefect.yaml: each basket's deployment, backfills, sales, the nightly care."""

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
HEARTBEAT: Final = 30  # seconds, the least that Prefect allows; flows/automations.py counts on it
ANCHOR: Final = "2026-01-01T00:00:00+00:00"  # slots lie on round times, however often this is applied
NIGHTLY: Final = {"cron": "40 3 * * *", "timezone": "UTC", "active": True}
HEADER: Final = """\
# The deployments of floorline.toml, written by `floorline deployments`, for `prefect deploy --all`.
# Keys are not here: workers read them from their own environment, a file, or a Prefect Secret block.
"""


def render_prefect_yaml(settings: Settings, config: Path | None) -> str:
    """The text of prefect.yaml; the same settings give the same text.

    `config` is what flow runs are told to read; None leaves it to their environment and working directory.
    Raises ConfigError for a cron line or a time zone that does not exist.
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
        "schedules": [_schedule(f"basket {basket.name}", basket.every, basket.cron, basket.timezone)],
        **_work_pool_settings(),
    }


def _on_demand(config: Path | None) -> dict[str, Any]:
    """Runs that somebody asked for by the form; a second one waits for the first."""
    return {
        "name": "on-demand",
        "description": "Fills the past from what the API still has: price history, candles or sales.",
        "entrypoint": "flows/backfill.py:backfill",
        "parameters": {"config": str(config) if config else None},
        "tags": [TAG],
        "schedules": [],
        **_work_pool_settings("ENQUEUE"),
    }


def _sales(settings: Settings, config: Path | None) -> Iterator[dict[str, Any]]:
    """The sales of each source that is read for them on schedule."""
    for source, every in settings.sales_every.items():
        yield {
            "name": source,
            "description": f"Reads the sales that {source} tells, with those that arrived late.",
            "entrypoint": "flows/backfill.py:sales",
            "parameters": {"source": source, "config": str(config) if config else None},
            "tags": [TAG, f"source:{source}"],
            "schedules": [_schedule(f"source {source}: sales", every)],
            **_work_pool_settings(),
        }


def _maintenance(config: Path | None) -> dict[str, Any]:
    return {
        "name": "nightly",
        "description": "Loads what waits, prunes the landings, publishes; asks no API anything.",
        "entrypoint": "flows/maintain.py:maintain",
        "parameters": {"config": str(config) if config else None},
        "tags": [TAG],
        "schedules": [dict(NIGHTLY)],
        **_work_pool_settings(),
    }


def _work_pool_settings(strategy: str = "CANCEL_NEW") -> Mapping[str, Any]:
    """Where and how runs go: one at a time each; by default a slow one makes the next tick give way."""
    return {
        "concurrency_limit": {"limit": 1, "collision_strategy": strategy, "grace_period_seconds": 120},
        "work_pool": {
            "name": WORK_POOL,
            "job_variables": {"env": {"PREFECT_FLOWS_HEARTBEAT_FREQUENCY": str(HEARTBEAT)}},
        },
    }


def _schedule(whose: str, every: timedelta, cron: str | None = None, timezone: str = "UTC") -> dict[str, Any]:
    """A schedule by cron line or interval. Raises ConfigError, naming `whose`, where Prefect takes it not."""
    when: dict[str, Any] = {"interval": int(every.total_seconds()), "anchor_date": ANCHOR}
    kind: type[CronSchedule | IntervalSchedule] = IntervalSchedule
    if cron is not None:
        when, kind = {"cron": cron}, CronSchedule
    schedule = {**when, "timezone": timezone}
    try:
        kind.model_validate(schedule)
    except ValidationError as error:
        reason = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise ConfigError(f"{whose}: its schedule does not work: {reason}") from None
    return {**schedule, "active": True}
