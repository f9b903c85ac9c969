"""A flow run whose tick comes too late ends as Skipped and asks nobody; a long walk shows its progress."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import sqlite3
from collections.abc import Awaitable, Iterator
from datetime import UTC, timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun, State
from prefect.flow_engine import run_flow_async
from prefect.settings import PREFECT_SERVER_DATABASE_CONNECTION_URL
from prefect.states import Scheduled
from prefect.types import DateTime

from common.clock import SystemClock
from connectors.shards import Shard
from flows.artifacts import publish_progress
from flows.maintain import maintain
from flows.snapshot import ProgressTracker, snapshot
from pipelines.snapshot.progress import NullProgress
from sandbox.core import Sandbox
from tests.support.prefect_server import WITH_PREFECT, temporary_prefect
from tests.support.sandboxes import MakeSandbox
from tests.support.snapshots import Bench, basket, catalog_of

pytestmark = WITH_PREFECT


@pytest.fixture(scope="module", autouse=True)
def prefect() -> Iterator[None]:
    """A temporary Prefect server."""
    with temporary_prefect():
        yield


async def tick(bench: Bench, late: timedelta, *, scheduled: bool = True) -> tuple[State[Any], FlowRun]:
    """Run a flow run that was expected so long ago, as a worker would; its last state."""
    parameters = {"baskets": ["core"], "config": str(bench.config)}
    async with get_client() as client:
        due: State[Any] = Scheduled(scheduled_time=DateTime.now(UTC) - late)
        made = await client.create_flow_run(snapshot, parameters=parameters, state=due)
        if scheduled:
            as_the_scheduler_makes_them(made)
        running = run_flow_async(snapshot, flow_run=made, parameters=parameters, return_type="state")
        state = cast("State[Any]", await cast("Awaitable[object]", running))
        return state, await client.read_flow_run(made.id)


def as_the_scheduler_makes_them(made: FlowRun) -> None:
    """Only the scheduler may set this; the API takes it from nobody."""
    database = PREFECT_SERVER_DATABASE_CONNECTION_URL.value().partition("///")[2]
    with contextlib.closing(sqlite3.connect(database, timeout=30)) as db, db:
        changed = db.execute("UPDATE flow_run SET auto_scheduled = 1 WHERE id = ?", [str(made.id)])
        assert changed.rowcount == 1


def test_a_tick_more_than_one_interval_late_is_skipped_without_a_request(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    bench = Bench.at(tmp_path, sandbox, basket(every="10m"))
    state, flow_run = asyncio.run(tick(bench, timedelta(minutes=11)))
    assert (state.name, state.is_completed()) == ("Skipped", True)
    assert "more than one interval late" in str(state.message)
    assert flow_run.state_name == "Skipped"
    assert sandbox.requests.since(0) == []


def test_a_tick_that_is_a_little_late_runs(sandbox: Sandbox, tmp_path: Path) -> None:
    bench = Bench.at(tmp_path, sandbox, basket(every="10m"))
    state, flow_run = asyncio.run(tick(bench, timedelta(minutes=9)))
    assert state.name == "Completed"
    assert flow_run.name.startswith("core 2")


def test_what_somebody_started_by_hand_runs_however_late(sandbox: Sandbox, tmp_path: Path) -> None:
    bench = Bench.at(tmp_path, sandbox, basket(every="10m"))
    state, _ = asyncio.run(tick(bench, timedelta(hours=3), scheduled=False))
    assert state.name == "Completed"
    assert len(sandbox.requests.since(0)) > 0


def test_a_walk_that_lasts_shows_how_far_it_is(make_sandbox: MakeSandbox, tmp_path: Path) -> None:
    box = make_sandbox(items=1000, tier="free")
    box.fault("latency", seconds=4.0, times=None)
    bench = Bench.at(tmp_path, box, catalog_of("steam", "buff163", "csfloat", "skinport"))
    asyncio.run(tick(bench, timedelta()))
    (shown,) = asyncio.run(artifacts("walk-core"))  # one artifact, brought up to date
    assert shown["type"] == "progress"
    assert shown["data"] == 100.0
    assert shown["description"].startswith("core: ")


class Impatient(SystemClock):
    """Waits for nothing, so that an update is under way at every moment."""

    async def sleep(self, seconds: float) -> None:
        """Return at once."""


def test_a_walk_that_ends_during_an_update_is_shown_to_its_end() -> None:
    shards = tuple(Shard(number, "cs2cap", "USD", ("steam",), None) for number in range(2))
    watched = ProgressTracker(NullProgress())

    @flow
    async def walk() -> None:
        async with publish_progress(watched, "walk-brief", Impatient()):
            watched.planned("core", shards)
            while not await artifacts("walk-brief"):
                pass
            watched.counters["core"].pages = 2

    asyncio.run(walk())
    (told,) = asyncio.run(artifacts("walk-brief"))
    assert (told["data"], told["description"]) == (100.0, "core: 2 of 2 pages, 0 rows")


async def cared_for(bench: Bench) -> State[Any]:
    """The state in which the nightly care ended."""
    return await maintain(str(bench.config), return_state=True)


async def artifacts(key: str) -> list[dict[str, Any]]:
    async with get_client() as client:
        query = {"artifacts": {"key": {"any_": [key]}}}
        answer = await client._client.post("/artifacts/filter", json=query)
        return list(answer.json())


def test_the_nightly_care_loads_what_waits_and_spends_no_request(sandbox: Sandbox, tmp_path: Path) -> None:
    bench = Bench.at(tmp_path, sandbox, basket(providers=["buff163"]))
    bench.snapshot()
    quotes = bench.quotes()
    for folder in bench.home.landing.iterdir():
        (folder / "loaded").unlink()
    shutil.rmtree(bench.home.writer.parent)
    since = len(sandbox.requests.since(0))
    state = asyncio.run(cared_for(bench))
    assert state.is_completed()
    assert state.message == "1 pending landing loaded"
    assert bench.quotes() == quotes != []
    assert len(sandbox.requests.since(0)) == since
