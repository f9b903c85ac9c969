"""Check Prefect: the server, the schedules of the baskets, and the workers. The checks only read."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from common.addresses import is_loopback, without_user
from common.clock import Clock
from common.errors import ConfigError
from common.text import format_duration
from floorline.doctor.findings import Finding, fail, from_error, ok, warn
from flows.prefect_api import (
    PrefectRefuses,
    PrefectUnreachable,
    answers_without_credentials,
    open_client,
    prefect_configured,
    read_version,
)
from pipelines.config import Settings
from pipelines.prefect_settings import import_prefect

if TYPE_CHECKING:
    from prefect.client.orchestration import PrefectClient
    from prefect.client.schemas.filters import DeploymentFilter, FlowFilter
    from prefect.client.schemas.objects import FlowRun, Worker
    from prefect.client.schemas.responses import DeploymentResponse

HEALTH_TIMEOUT: Final = 1.5  # seconds; Prefect's client retries for much longer
MAX_MISSED_HEARTBEATS: Final = 3  # of a worker, as Prefect itself counts
START_SERVER: Final = (
    "start the server (`floorline up`, or `prefect server start`), or correct PREFECT_API_URL"
)
CREDENTIALS: Final = "check PREFECT_API_AUTH_STRING or PREFECT_API_KEY"
OPEN: Final = (
    "set PREFECT_SERVER_API_AUTH_STRING for the server and PREFECT_API_AUTH_STRING for its users; see "
    "docs/how-to-schedule.md"
)
DEPLOY: Final = "run `floorline up`, or `prefect --no-prompt deploy --all`"


async def check_prefect(settings: Settings, clock: Clock) -> list[Finding]:
    """Check the server, the schedules and the workers if a Prefect API is configured."""
    try:
        if not prefect_configured():
            return [ok("prefect server", "Prefect is not configured: snapshots run by hand or by cron")]
        await asyncio.to_thread(import_prefect)  # takes two seconds
        return await _check_server(settings, clock)
    except PrefectUnreachable as error:
        return [fail("prefect server", error.detail, START_SERVER)]
    except PrefectRefuses as error:
        return [fail("prefect server", error.detail, CREDENTIALS)]
    except ConfigError as error:
        return [from_error("prefect server", error)]


async def _check_server(settings: Settings, clock: Clock) -> list[Finding]:
    async with open_client() as client:
        url = without_user(str(client.api_url)).rstrip("/")
        return [
            _check_version(await read_version(client, HEALTH_TIMEOUT), client.client_version(), url),
            await _check_access(url),
            *await _check_deployments(client, settings, clock),
        ]


def _check_version(server: str, local: str, url: str) -> Finding:
    seen = f"Prefect {server} at {url}"
    if server.split(".")[:2] != local.split(".")[:2]:
        advice = "run the same version of Prefect on both sides"
        return warn("prefect server", f"{seen}, Prefect {local} here", advice)
    return ok("prefect server", seen)


async def _check_access(url: str) -> Finding:
    """Check that the server asks for credentials, and that no network sees them."""
    if await answers_without_credentials(url):
        who = "any program and any web page on this machine" if is_loopback(url) else "the whole network"
        seen = f"{url} answers without credentials: {who} can have a worker run commands"
        return warn("prefect access", seen, OPEN)
    if url.startswith("http:") and not is_loopback(url):
        seen = f"credentials travel unencrypted to {url}"
        return warn("prefect access", seen, "let a proxy with TLS serve the address, and use https")
    return ok("prefect access", "the server asks for credentials")


async def _check_deployments(client: PrefectClient, settings: Settings, clock: Clock) -> list[Finding]:
    """Check the deployments of the baskets: their schedules, their workers and their late runs."""
    from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterName
    from prefect.exceptions import PrefectHTTPStatusError

    names = list(settings.deployments)
    by_name = DeploymentFilter(name=DeploymentFilterName(any_=names))
    try:
        deployments = await client.read_deployments(flow_filter=_snapshot_flow(), deployment_filter=by_name)
        pools = sorted({one.work_pool_name for one in deployments if one.work_pool_name})
        workers = {pool: await client.read_workers_for_work_pool(pool) for pool in pools}
        paused = [pool for pool in pools if (await client.read_work_pool(pool)).is_paused]
        late_runs = await _read_late_runs(client, by_name)
    except PrefectHTTPStatusError as error:
        return [_refused(error.response.status_code)]
    now = clock.now()
    return [
        _check_schedules(names, deployments),
        *(_paused(pool) for pool in paused),
        *(_check_worker(pool, pool_workers, now) for pool, pool_workers in workers.items()),
        *_check_late_runs(late_runs, now),
    ]


def _refused(status: int) -> Finding:
    """Return the finding of an HTTP error; the error's text may contain a password in the address."""
    if status in {401, 403}:
        return fail("prefect schedules", f"Prefect rejects the credentials (HTTP {status})", CREDENTIALS)
    return fail("prefect schedules", f"Prefect answers HTTP {status}", "see the log of the Prefect server")


def _snapshot_flow() -> FlowFilter:
    from prefect.client.schemas.filters import FlowFilter, FlowFilterName

    return FlowFilter(name=FlowFilterName(any_=["snapshot"]))


async def _read_late_runs(client: PrefectClient, by_name: DeploymentFilter) -> Sequence[FlowRun]:
    from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterState, FlowRunFilterStateName
    from prefect.client.schemas.sorting import FlowRunSort

    late = FlowRunFilter(state=FlowRunFilterState(name=FlowRunFilterStateName(any_=["Late"])))
    return await client.read_flow_runs(
        flow_filter=_snapshot_flow(),
        deployment_filter=by_name,
        flow_run_filter=late,
        sort=FlowRunSort.EXPECTED_START_TIME_ASC,
    )


def _check_schedules(names: Sequence[str], deployments: Sequence[DeploymentResponse]) -> Finding:
    by_name = {deployment.name: deployment for deployment in deployments}
    if missing := [name for name in names if name not in by_name]:
        return warn("prefect schedules", f"not deployed: {', '.join(missing)}", DEPLOY)
    inactive = [
        name
        for name, deployment in by_name.items()
        if deployment.paused or not any(schedule.active for schedule in deployment.schedules)
    ]
    if inactive:
        seen = f"paused or without an active schedule: {', '.join(sorted(inactive))}"
        return warn("prefect schedules", seen, "resume them with `prefect deployment schedule resume`")
    return ok("prefect schedules", f"active: {', '.join(names)}")


def _paused(pool: str) -> Finding:
    seen = f"the work pool {pool} is paused: no run starts"
    return warn("prefect pool", seen, f"resume it: `prefect work-pool resume {pool}`")


def _check_late_runs(runs: Sequence[FlowRun], now: datetime) -> list[Finding]:
    """Return a warning about runs that Prefect calls late: 15 seconds after their scheduled time."""
    scheduled = [run.expected_start_time for run in runs if run.expected_start_time]
    if not scheduled:
        return []
    seen = f"{len(scheduled)} late, the first by {format_duration(now - min(scheduled))}"
    return [warn("prefect runs", seen, "check whether a worker is online, and what the worker is running")]


def _check_worker(pool: str, workers: Sequence[Worker], now: datetime) -> Finding:
    """Check that a worker of the pool is online."""
    start = f"start a worker: `floorline up`, or `prefect worker start --pool {pool}`"
    heartbeats = {one.last_heartbeat_time: one for one in workers if one.last_heartbeat_time}
    if not heartbeats:
        return fail("prefect worker", f"the work pool {pool} has never had a worker", start)
    last, worker = max(heartbeats.items())
    seen = f"{worker.name} on the work pool {pool}, last heartbeat {format_duration(now - last)} ago"
    interval = worker.heartbeat_interval_seconds or 30  # Prefect's default
    timeout = timedelta(seconds=MAX_MISSED_HEARTBEATS * interval)
    if worker.status.value != "ONLINE" or now - last.astimezone(UTC) > timeout:
        return fail("prefect worker", f"{seen}: offline", start)
    return ok("prefect worker", seen)
