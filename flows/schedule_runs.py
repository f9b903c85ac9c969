"""The other runs of a flow run's deployment: their names, and the scheduled ones that took nothing.

Prefect names a scheduled run when the run starts. One that never starts, because another run was active or no
worker was there, would keep a name like `brave-otter`, and no process of Floorline would learn of it. So each
run of a schedule names those that follow it, and records those that were cancelled while it was active.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from prefect import get_run_logger
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.filters import (
    DeploymentFilter,
    DeploymentFilterId,
    FlowRunFilter,
    FlowRunFilterExpectedStartTime,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.runtime import deployment

from common.text import sanitize
from flows.run_context import run_name
from pipelines.config import Settings
from warehouse.state.database import open_state
from warehouse.state.ticks import MissedTick, record_ticks

LOOK_BACK: Final = timedelta(hours=1)  # and six intervals: what the last runs did not see
LOOK_AHEAD: Final = timedelta(hours=1)  # and two intervals: Prefect creates runs at least an hour ahead
PAGE: Final = 200  # the most flow runs that Prefect returns at once
MOST_NAMED: Final = 20  # by one run: a schedule of seconds has hundreds of runs in the next hour


async def tend_schedule(
    settings: Settings, names: Sequence[str], baskets: Sequence[str], *, every: timedelta, now: datetime
) -> None:
    """Name the runs of this deployment that have not started, and record the cancelled ones of `baskets`.

    `names` are the subjects in the names of the runs, which are due every `every`. A failure is logged only:
    the run itself has done its work.
    """
    if not deployment.id:
        return
    try:
        async with get_client() as client:
            runs = await _unstarted_runs(client, UUID(str(deployment.id)), every, now)
            await _name(client, runs, names)
        cancelled = [run for run in runs if run.state_type == StateType.CANCELLED]
        missed = [_missed_tick(basket, run) for run in cancelled for basket in baskets]
        await asyncio.to_thread(record_ticks, open_state(settings.paths), missed, now)
    except Exception as error:  # noqa: BLE001 - of Prefect's client, and of state.db
        get_run_logger().warning("the other runs of the schedule are not named: %s", type(error).__name__)


async def _unstarted_runs(
    client: PrefectClient, deployment_id: UUID, every: timedelta, now: datetime
) -> list[FlowRun]:
    """Return the runs around now that are scheduled or cancelled, and have not started."""
    states = FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.SCHEDULED, StateType.CANCELLED]))
    bounds = {"after_": now - LOOK_BACK - 6 * every, "before_": now + LOOK_AHEAD + 2 * every}
    window = FlowRunFilterExpectedStartTime.model_validate(bounds)
    runs = await client.read_flow_runs(
        flow_run_filter=FlowRunFilter(state=states, expected_start_time=window),
        deployment_filter=DeploymentFilter(id=DeploymentFilterId(any_=[deployment_id])),
        limit=PAGE,
    )
    # Prefect gives a run that is cancelled before its start a start time, too.
    return [run for run in runs if run.auto_scheduled and run.expected_start_time and not run.run_count]


async def _name(client: PrefectClient, runs: Sequence[FlowRun], names: Sequence[str]) -> None:
    """Name the runs that have no name of ours yet, the earliest first."""
    due = [(run.expected_start_time, run) for run in runs if run.expected_start_time is not None]
    unnamed = [
        (run.id, name)
        for time, run in sorted(due, key=lambda pair: pair[0])
        if run.name != (name := run_name(names, time))
    ]
    for run_id, name in unnamed[:MOST_NAMED]:
        await client.update_flow_run(run_id, name=name)


def _missed_tick(basket: str, run: FlowRun) -> MissedTick:
    assert run.expected_start_time is not None  # noqa: S101 - see `_unstarted_runs`
    reason = (run.state.message if run.state else None) or "it was cancelled before it started"
    return MissedTick(basket, run.expected_start_time, "cancelled", sanitize(reason))
