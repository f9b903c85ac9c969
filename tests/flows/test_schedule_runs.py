"""The runs of a schedule that have not started: their names, and the record of those that were cancelled."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.actions import DeploymentScheduleCreate
from prefect.client.schemas.objects import FlowRun
from prefect.client.schemas.schedules import IntervalSchedule
from prefect.states import Cancelled

from common.state_database import StateDatabase
from flows.run_context import run_name
from flows.schedule_runs import tend_schedule
from pipelines.config import parse_settings
from tests.support.prefect_server import WITH_PREFECT, temporary_prefect
from tests.support.warehouse import create_warehouse
from warehouse.state.database import open_state
from warehouse.state.ticks import MissedTick, read_ticks, record_ticks

pytestmark = WITH_PREFECT
TEN_MINUTES = timedelta(minutes=10)
BUSY = "the limit of this deployment is reached"


@pytest.fixture(scope="module", autouse=True)
def prefect() -> Iterator[Path]:
    with temporary_prefect() as database:
        yield database


async def create_schedule(client: PrefectClient, now: datetime) -> UUID:
    """Create a deployment whose runs are scheduled from an hour ago on, and return its id."""
    flow_id = await client.create_flow_from_name("snapshot")
    schedule = DeploymentScheduleCreate(schedule=IntervalSchedule(interval=TEN_MINUTES), active=True)
    deployment_id = await client.create_deployment(flow_id, "core", schedules=[schedule])
    hour = timedelta(hours=1)
    window = {"start_time": (now - hour).isoformat(), "end_time": (now + hour).isoformat()}
    ids = {"id": deployment_id}
    await client.request("POST", "/deployments/{id}/schedule", path_params=ids, json=window)
    return deployment_id


async def read_runs(client: PrefectClient) -> list[FlowRun]:
    runs = await client.read_flow_runs()
    return sorted(runs, key=lambda run: run.expected_start_time or datetime.max.replace(tzinfo=UTC))


def test_runs_that_never_began_carry_their_name_and_are_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = datetime.now(UTC)
    paths = create_warehouse(tmp_path)
    settings = parse_settings({"warehouse": {"path": str(tmp_path)}, "sources": {"cs2cap": {}}}, tmp_path)

    async def tend() -> list[FlowRun]:
        async with get_client() as client:
            deployment_id = await create_schedule(client, now)
            monkeypatch.setenv("PREFECT__RUNTIME__DEPLOYMENT__ID", str(deployment_id))
            first = (await read_runs(client))[0]
            await client.set_flow_run_state(first.id, Cancelled(message=BUSY), force=True)
            await tend_schedule(settings, ["core"], ["core"], every=TEN_MINUTES, now=now)
            return await read_runs(client)

    runs = asyncio.run(tend())
    times = [run.expected_start_time for run in runs]
    assert len(runs) >= 6
    assert [run.name for run in runs] == [run_name(["core"], time) for time in times if time is not None]
    (tick,) = read_ticks(open_state(paths))
    assert (tick.basket, tick.outcome, tick.reason) == ("core", "cancelled", BUSY)
    assert times[0] is not None
    assert tick.due_at == times[0].replace(microsecond=0)


def test_ticks_are_recorded_once_and_forgotten_after_forty_days(state: StateDatabase) -> None:
    now = datetime(2026, 6, 1, tzinfo=UTC)
    tick = MissedTick("core", now, "skipped", "late")
    record_ticks(state, [tick], now)
    record_ticks(state, [tick], now)
    assert read_ticks(state) == [tick]
    later = MissedTick("core", now + timedelta(days=41), "skipped", "late")
    record_ticks(state, [later], later.due_at)
    assert read_ticks(state) == [later]
