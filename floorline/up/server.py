"""What `floorline up` asks of the Prefect server: pool, automations, and no ghosts of the last time."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, timedelta
from pathlib import Path

from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.actions import WorkPoolCreate, WorkPoolUpdate
from prefect.client.schemas.filters import (
    DeploymentFilter,
    DeploymentFilterTags,
    FlowRunFilter,
    FlowRunFilterNextScheduledStartTime,
    FlowRunFilterState,
    FlowRunFilterStateType,
    FlowRunFilterTags,
)
from prefect.client.schemas.objects import StateType
from prefect.exceptions import ObjectNotFound
from prefect.states import Crashed
from prefect.types import DateTime

from flows import WORK_POOL
from flows.automations import FILE, apply_automations, install_crash_automation
from flows.deployments import TAG
from pipelines.config import Settings

MISSED = timedelta(minutes=1)


async def is_reachable() -> bool:
    """Whether the Prefect API that is configured answers."""
    async with get_client() as client:
        return await client.api_healthcheck() is None


async def prepare_server(settings: Settings, shipped: Path) -> None:
    """The work pool, unpaused, and the automations; those in `shipped` if the user has none of their own."""
    async with get_client() as client:
        try:
            await client.read_work_pool(WORK_POOL)
        except ObjectNotFound:
            await client.create_work_pool(WorkPoolCreate(name=WORK_POOL, type="process"))
        await client.update_work_pool(WORK_POOL, WorkPoolUpdate(is_paused=False))
    await install_crash_automation()
    await _apply_alerts(settings, shipped)


async def _apply_alerts(settings: Settings, shipped: Path) -> None:
    """Install the automations that tell of alerts, by the user's own file or by the one beside the code."""
    file = next((folder / FILE for folder in (settings.base, shipped) if (folder / FILE).exists()), None)
    if file is not None:
        await apply_automations(settings, file)


async def remove_stale(config: Path, baskets: Collection[str], sales: Collection[str]) -> None:
    """Remove this configuration's deployments that it has no more, and ticks missed meanwhile.

    It has `baskets`, and sources whose `sales` are read on schedule.
    """
    async with get_client() as client:
        await _remove_deployments(client, config, baskets, sales)
        await _remove_missed(client)


async def _remove_deployments(
    client: PrefectClient, config: Path, baskets: Collection[str], sales: Collection[str]
) -> None:
    ours = DeploymentFilter(tags=DeploymentFilterTags(all_=[TAG]))
    for deployment in await client.read_deployments(deployment_filter=ours):
        told = deployment.parameters
        stays = set(told.get("baskets") or []) <= set(baskets) and told.get("source") in {None, *sales}
        if told.get("config") == str(config) and not stays:
            await client.delete_deployment(deployment.id)


async def _remove_missed(client: PrefectClient) -> None:
    """A tick that nobody served is not made up for: the next one looks at the same market."""
    missed = FlowRunFilter(
        tags=FlowRunFilterTags(all_=[TAG]),
        state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.SCHEDULED])),
        next_scheduled_start_time=FlowRunFilterNextScheduledStartTime(before_=DateTime.now(UTC) - MISSED),
    )
    while runs := await client.read_flow_runs(flow_run_filter=missed):
        ticks = [run for run in runs if run.auto_scheduled]
        for run in ticks:
            await client.delete_flow_run(run.id)
        if not ticks:
            return


async def pause_work_pool() -> None:
    """Let the pool hand out no more runs."""
    async with get_client() as client:
        await client.update_work_pool(WORK_POOL, WorkPoolUpdate(is_paused=True))


async def running_pids() -> list[int]:
    """The processes of the runs that are going on, on whatever machine."""
    async with get_client() as client:
        runs = await client.read_flow_runs(flow_run_filter=_under_way(StateType.RUNNING))
    processes = [run.infrastructure_pid or "" for run in runs]
    return [int(process) for process in processes if process.isdecimal()]


async def crash_orphaned_runs(why: str) -> None:
    """Mark what is still under way as Crashed, for a server all of whose workers have ended."""
    states = (StateType.PENDING, StateType.RUNNING, StateType.CANCELLING)
    async with get_client() as client:
        for run in await client.read_flow_runs(flow_run_filter=_under_way(*states)):
            await client.set_flow_run_state(run.id, Crashed(message=why))


def _under_way(*states: StateType) -> FlowRunFilter:
    return FlowRunFilter(
        tags=FlowRunFilterTags(all_=[TAG]),
        state=FlowRunFilterState(type=FlowRunFilterStateType(any_=list(states))),
    )
