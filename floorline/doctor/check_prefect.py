"""The doctor's look at Prefect: its server, the schedules of the baskets, and the workers that run them."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from common.clock import Clock
from common.text import format_duration
from floorline.doctor.findings import Finding, fail, ok, warn
from flows.prefect_api import prefect_configured
from pipelines.config import Settings

if TYPE_CHECKING:
    from prefect.client.orchestration import PrefectClient
    from prefect.client.schemas.filters import DeploymentFilter, FlowFilter
    from prefect.client.schemas.objects import FlowRun, Worker
    from prefect.client.schemas.responses import DeploymentResponse

ANSWER_WITHIN = 1.5  # seconds
HEARTBEATS = 3  # that a worker may miss, as Prefect itself counts
START_SERVER = "start it (`floorline up`, or `prefect server start`), or correct PREFECT_API_URL"
CREDENTIALS = "check PREFECT_API_AUTH_STRING or PREFECT_API_KEY"
DEPLOY = "`floorline up` deploys them, and so does `prefect --no-prompt deploy --all`"


async def check_prefect(settings: Settings, clock: Clock) -> list[Finding]:
    """Server, schedules and workers, where a Prefect API is configured. It only asks."""
    if not prefect_configured():
        return [ok("prefect server", "Prefect is not configured: snapshots run by hand or by cron")]
    await asyncio.to_thread(importlib.import_module, "prefect.client.orchestration")  # it takes two seconds
    from prefect.client.orchestration import get_client

    async with get_client() as client:
        url = str(client.api_url.copy_with(username="", password="")).rstrip("/")
        if not await _is_reachable(client):
            return [fail("prefect server", f"no Prefect API answers at {url}", START_SERVER)]
        return [await _server(client, url), *await _operation(client, settings, clock)]


async def _is_reachable(client: PrefectClient) -> bool:
    """Whether it is there; the client itself would try for long."""
    try:
        async with asyncio.timeout(ANSWER_WITHIN):
            return await client.api_healthcheck() is None
    except TimeoutError:
        return False


async def _server(client: PrefectClient, url: str) -> Finding:
    theirs, ours = await client.api_version(), client.client_version()
    seen = f"Prefect {theirs} at {url}"
    if theirs.split(".")[:2] != ours.split(".")[:2]:
        return warn("prefect server", f"{seen}, {ours} here", "run the same version of Prefect on both sides")
    return ok("prefect server", seen)


async def _operation(client: PrefectClient, settings: Settings, clock: Clock) -> list[Finding]:
    """What schedules and workers make of the deployments `snapshot/BASKET`."""
    from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterName
    from prefect.exceptions import PrefectHTTPStatusError

    names = [basket.name for basket in settings.baskets]
    named = DeploymentFilter(name=DeploymentFilterName(any_=names))
    try:
        deployments = await client.read_deployments(flow_filter=_snapshots(), deployment_filter=named)
        pools = sorted({one.work_pool_name for one in deployments if one.work_pool_name})
        workers = {pool: await client.read_workers_for_work_pool(pool) for pool in pools}
        late = _late(await _late_runs(client, named), clock.now())
    except PrefectHTTPStatusError as error:
        return [_refused(error.response.status_code)]
    found = [_worker(pool, known, clock.now()) for pool, known in workers.items()]
    return [_schedules(names, deployments), *found, *late]


def _refused(status: int) -> Finding:
    """The error itself is not shown: it holds the address, which may hold a password."""
    if status in {401, 403}:
        return fail("prefect schedules", f"Prefect refuses us (HTTP {status})", CREDENTIALS)
    return fail("prefect schedules", f"Prefect answers HTTP {status}", "see the log of its server")


def _snapshots() -> FlowFilter:
    from prefect.client.schemas.filters import FlowFilter, FlowFilterName

    return FlowFilter(name=FlowFilterName(any_=["snapshot"]))


async def _late_runs(client: PrefectClient, named: DeploymentFilter) -> Sequence[FlowRun]:
    from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterState, FlowRunFilterStateName
    from prefect.client.schemas.sorting import FlowRunSort

    late = FlowRunFilter(state=FlowRunFilterState(name=FlowRunFilterStateName(any_=["Late"])))
    return await client.read_flow_runs(
        flow_filter=_snapshots(),
        deployment_filter=named,
        flow_run_filter=late,
        sort=FlowRunSort.EXPECTED_START_TIME_ASC,
    )


def _schedules(names: Sequence[str], deployments: Sequence[DeploymentResponse]) -> Finding:
    known = {one.name: one for one in deployments}
    if missing := [name for name in names if name not in known]:
        return warn("prefect schedules", f"not deployed: {', '.join(missing)}", DEPLOY)
    idle = [
        name
        for name, one in known.items()
        if one.paused or not any(schedule.active for schedule in one.schedules)
    ]
    if idle:
        seen = f"paused or without an active schedule: {', '.join(sorted(idle))}"
        return warn("prefect schedules", seen, "resume them with `prefect deployment schedule resume`")
    return ok("prefect schedules", f"active: {', '.join(names)}")


def _late(runs: Sequence[FlowRun], now: datetime) -> list[Finding]:
    """Runs that should have begun; Prefect calls them late after a quarter of a minute."""
    moments = [run.expected_start_time for run in runs if run.expected_start_time]
    if not moments:
        return []
    seen = f"{len(moments)} late, the first by {format_duration(now - min(moments))}"
    return [warn("prefect runs", seen, "see whether a worker is alive and what it is busy with")]


def _worker(pool: str, workers: Sequence[Worker], now: datetime) -> Finding:
    """Whether anyone takes runs from a pool."""
    beats = {one.last_heartbeat_time: one for one in workers if one.last_heartbeat_time}
    if not beats:
        return fail("prefect worker", f"no worker has ever looked at the work pool {pool}", _start(pool))
    last, worker = max(beats.items())
    seen = f"{worker.name} on the work pool {pool}, heard {format_duration(now - last)} ago"
    patience = timedelta(seconds=HEARTBEATS * (worker.heartbeat_interval_seconds or 30))
    if worker.status.value != "ONLINE" or now - last.astimezone(UTC) > patience:
        return fail("prefect worker", f"{seen}: not alive", _start(pool))
    return ok("prefect worker", seen)


def _start(pool: str) -> str:
    return f"start one: `floorline up`, or `prefect worker start --pool {pool}`"
