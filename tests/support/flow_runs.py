"""A run of the flow `snapshot` in this process, and what Prefect's server knows of the run."""

from __future__ import annotations

import asyncio
import dataclasses
import time
import uuid
from datetime import UTC, datetime
from typing import Any

from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.filters import (
    LogFilter,
    LogFilterFlowRunId,
    TaskRunFilter,
    TaskRunFilterFlowRunId,
)
from prefect.client.schemas.objects import FlowRun, State, TaskRun
from prefect.logging.handlers import APILogHandler

from flows.snapshot import caller, snapshot
from pipelines.results import RunResult
from pipelines.snapshot.progress import NullProgress
from tests.support.snapshots import Bench


@dataclasses.dataclass(frozen=True, slots=True)
class FinishedRun:
    """A finished flow run, and what Prefect's server knows of it."""

    bench: Bench
    state: State[Any]
    results: list[RunResult]
    flow_run: FlowRun
    tasks: list[TaskRun]
    logs: list[tuple[int, str]]
    events: list[dict[str, Any]]
    artifacts: list[dict[str, Any]]


def run_flow(bench: Bench) -> FinishedRun:
    """Run the flow, and read what the server knows of the run."""

    async def run() -> tuple[State[Any], list[RunResult]]:
        with caller.collect_results(NullProgress()) as results:
            return await snapshot(None, str(bench.config), return_state=True), results

    started = datetime.now(UTC)
    state, results = asyncio.run(run())
    return asyncio.run(read_finished_run(bench, state, results, started))


async def read_finished_run(
    bench: Bench, state: State[Any], results: list[RunResult], started: datetime
) -> FinishedRun:
    async with get_client() as client:
        run_id = state.state_details.flow_run_id
        assert run_id is not None
        task_filter = TaskRunFilter(flow_run_id=TaskRunFilterFlowRunId(any_=[run_id]))
        tasks = await client.read_task_runs(task_run_filter=task_filter)
        artifacts = await client.request(
            "POST", "/artifacts/filter", json={"artifacts": {"flow_run_id": {"any_": [str(run_id)]}}}
        )
        event_filter = {
            "filter": {"event": {"prefix": ["floorline."]}, "occurred": {"since": started.isoformat()}}
        }
        events: list[dict[str, Any]] = []
        deadline = time.monotonic() + (120 if state.is_failed() else 0)
        while not events:
            events = (await client.request("POST", "/events/filter", json=event_filter)).json()["events"]
            if time.monotonic() > deadline:
                break
            await asyncio.sleep(0.2)
        flow_run = await client.read_flow_run(run_id)
        logs = await read_logs(client, run_id)
    return FinishedRun(bench, state, results, flow_run, tasks, logs, events, artifacts.json())


async def read_logs(client: PrefectClient, run_id: uuid.UUID) -> list[tuple[int, str]]:
    """Return the levels and messages of the log of a flow run, which Prefect sends in batches."""
    await APILogHandler.aflush()
    log_filter = LogFilter(flow_run_id=LogFilterFlowRunId(any_=[run_id]))
    return [(log.level, log.message) for log in await client.read_logs(log_filter)]
