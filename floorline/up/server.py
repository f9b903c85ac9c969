"""Requests of `floorline up` to the Prefect server: work pool, automations, stale and orphaned runs."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final
from uuid import UUID

from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.actions import WorkPoolCreate, WorkPoolUpdate
from prefect.client.schemas.filters import (
    DeploymentFilter,
    DeploymentFilterId,
    DeploymentFilterTags,
    FlowRunFilter,
    FlowRunFilterEndTime,
    FlowRunFilterExpectedStartTime,
    FlowRunFilterNextScheduledStartTime,
    FlowRunFilterState,
    FlowRunFilterStateType,
    FlowRunFilterTags,
)
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.client.schemas.sorting import FlowRunSort
from prefect.exceptions import ObjectNotFound
from prefect.states import Crashed
from prefect.types import DateTime

from flows import WORK_POOL
from flows.automations import apply_automations, install_crash_automation
from flows.deployments import TAG, build_deployments
from flows.prefect_api import PrefectUnreachable, check_prefect_reachable
from pipelines.config import Settings
from warehouse.published import is_published
from warehouse.queries.runner import LAST_RUNS, run_query

MISSED_AFTER: Final = timedelta(minutes=1)
UNFINISHED: Final = (StateType.PENDING, StateType.RUNNING, StateType.CANCELLING)


async def is_reachable(seconds: float) -> bool:
    """Return whether the configured Prefect API answers within `seconds`. Raises ConfigError."""
    try:
        await check_prefect_reachable(seconds)
    except PrefectUnreachable:
        return False
    return True


async def prepare_pool() -> None:
    """Create or unpause the work pool."""
    async with get_client() as client:
        try:
            await client.read_work_pool(WORK_POOL)
        except ObjectNotFound:
            await client.create_work_pool(WorkPoolCreate(name=WORK_POOL, type="process"))
        await client.update_work_pool(WORK_POOL, WorkPoolUpdate(is_paused=False))


async def deploy(settings: Settings, config: Path, folder: Path, command: str | None) -> None:
    """Create or update the deployments, and install the automations. Raises ConfigError.

    `folder` and `command` are those of `build_deployments`.
    """
    for deployment in build_deployments(settings, config, folder, command):
        await deployment.aapply()
    await install_crash_automation()
    await apply_automations(settings)


async def start_overdue(settings: Settings, now: datetime) -> list[str]:
    """Start a run of each deployment with a basket that has had no successful run for its interval.

    Returns the names of the deployments. A schedule has fixed times: the first data of a new warehouse would
    be up to a whole interval away. Where a run is due or under way, another machine may have started it.
    """
    paths = settings.paths
    runs = run_query(paths, LAST_RUNS, {"latest": now}).records() if is_published(paths) else []
    success = {(run["basket"], run["source"]): run["last_success"] for run in runs}
    names = []
    async with get_client() as client:
        for name, baskets in settings.deployments.items():
            last = [success.get((basket.name, basket.source)) for basket in baskets]
            deployment = await client.read_deployment_by_name(f"snapshot/{name}")
            is_overdue = any(moment is None or now - moment > baskets[0].every for moment in last)
            if is_overdue and not deployment.paused and not await _has_run(client, deployment.id, now):
                await client.create_flow_run_from_deployment(deployment.id)
                names.append(name)
    return names


async def _has_run(client: PrefectClient, deployment: UUID, now: datetime) -> bool:
    """Return whether a deployment has a run that is due or under way."""
    active = FlowRunFilter(
        state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.SCHEDULED, *UNFINISHED])),
        expected_start_time=FlowRunFilterExpectedStartTime(before_=DateTime.instance(now)),
    )
    only = DeploymentFilter(id=DeploymentFilterId(any_=[deployment]))
    return bool(await client.read_flow_runs(flow_run_filter=active, deployment_filter=only, limit=1))


async def remove_stale(config: Path, snapshots: Collection[str], sales: Collection[str]) -> None:
    """Delete deployments that the configuration no longer has, and scheduled runs that were missed.

    `snapshots` are the deployments of the configuration's baskets, `sales` the sources whose sales run on
    schedule.
    """
    async with get_client() as client:
        ours = DeploymentFilter(tags=DeploymentFilterTags(all_=[TAG]))
        for deployment in await client.read_deployments(deployment_filter=ours):
            parameters = deployment.parameters
            configured = "baskets" not in parameters or deployment.name in snapshots
            configured = configured and parameters.get("source") in {None, *sales}
            if parameters.get("config") == str(config) and not configured:
                await client.delete_deployment(deployment.id)
        await _remove_missed_runs(client)


async def _remove_missed_runs(client: PrefectClient) -> None:
    """Delete scheduled runs whose time has passed: the next run observes the same market."""
    missed = FlowRunFilter(
        tags=FlowRunFilterTags(all_=[TAG]),
        state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.SCHEDULED])),
        next_scheduled_start_time=FlowRunFilterNextScheduledStartTime(
            before_=DateTime.now(UTC) - MISSED_AFTER
        ),
    )
    # A response has at most 200 runs. Runs that a person scheduled stay, so they alone end the loop.
    while runs := await client.read_flow_runs(flow_run_filter=missed):
        scheduled = [run for run in runs if run.auto_scheduled]
        for run in scheduled:
            await client.delete_flow_run(run.id)
        if not scheduled:
            return


async def pause_work_pool() -> None:
    """Pause the work pool, so that no worker starts another run."""
    async with get_client() as client:
        await client.update_work_pool(WORK_POOL, WorkPoolUpdate(is_paused=True))


async def is_work_pool_paused(client: PrefectClient) -> bool:
    """Return whether the work pool is paused, so that no worker starts a run."""
    return bool((await client.read_work_pool(WORK_POOL)).is_paused)


async def read_ended_runs(client: PrefectClient, since: datetime) -> list[FlowRun]:
    """Return the runs of Floorline's deployments that have ended since then, in this order."""
    ended = FlowRunFilter(
        tags=FlowRunFilterTags(all_=[TAG]), end_time=FlowRunFilterEndTime(after_=DateTime.instance(since))
    )
    runs = await client.read_flow_runs(flow_run_filter=ended, sort=FlowRunSort.END_TIME_DESC)
    return [run for run in reversed(runs) if run.state is not None and run.state.is_final()]


async def running_pids() -> list[int]:
    """Return the process ids of all running flow runs, on every machine."""
    async with get_client() as client:
        runs = await client.read_flow_runs(flow_run_filter=_in_states(StateType.RUNNING))
    pids = [run.infrastructure_pid or "" for run in runs]
    return [int(pid) for pid in pids if pid.isdecimal()]


async def crash_orphaned_runs(message: str) -> None:
    """Set unfinished runs to Crashed; call it only where no worker of the server is alive."""
    async with get_client() as client:
        for run in await read_unfinished_runs(client):
            await crash_run(client, run.id, message)


async def read_unfinished_runs(client: PrefectClient) -> list[FlowRun]:
    """Return the runs that have begun, or are about to, and have not ended."""
    unfinished = _in_states(*UNFINISHED)
    return await client.read_flow_runs(flow_run_filter=unfinished)


async def crash_run(client: PrefectClient, run: UUID, message: str) -> None:
    """Set a run to Crashed, which frees its slot."""
    await client.set_flow_run_state(run, Crashed(message=message))


def _in_states(*states: StateType) -> FlowRunFilter:
    return FlowRunFilter(
        tags=FlowRunFilterTags(all_=[TAG]),
        state=FlowRunFilterState(type=FlowRunFilterStateType(any_=list(states))),
    )
