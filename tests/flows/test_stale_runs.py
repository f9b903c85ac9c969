"""Stale runs are skipped, overdue ones started once, long ones tell progress; `maintain` requests nothing."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import sqlite3
from collections.abc import Awaitable, Iterator
from datetime import UTC, datetime, timedelta
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

from connectors.shards import Shard
from floorline.up.server import deploy, prepare_pool, start_overdue
from flows.artifacts import publish_progress
from flows.maintain import maintain
from flows.snapshot import ProgressTracker, snapshot
from pipelines.snapshot.progress import NullProgress
from sandbox.core import Sandbox
from tests.support.prefect_server import WITH_PREFECT, temporary_prefect
from tests.support.sandboxes import MakeSandbox
from tests.support.snapshots import Bench, basket, catalog_of
from tests.support.warehouse import Quote, create_warehouse, land_and_load, minute, observe

pytestmark = WITH_PREFECT


@pytest.fixture(scope="module", autouse=True)
def prefect() -> Iterator[None]:
    """Run a temporary Prefect server."""
    with temporary_prefect():
        yield


async def run_scheduled(
    bench: Bench, delay: timedelta, *, scheduled: bool = True
) -> tuple[State[Any], FlowRun]:
    """Run a flow run that was expected a delay ago, as a worker would; return its state."""
    parameters = {"baskets": ["core"], "config": str(bench.config)}
    async with get_client() as client:
        scheduled_state: State[Any] = Scheduled(scheduled_time=DateTime.now(UTC) - delay)
        flow_run = await client.create_flow_run(snapshot, parameters=parameters, state=scheduled_state)
        if scheduled:
            mark_as_scheduled(flow_run)
        running = run_flow_async(snapshot, flow_run=flow_run, parameters=parameters, return_type="state")
        state = cast("State[Any]", await cast("Awaitable[object]", running))
        return state, await client.read_flow_run(flow_run.id)


def mark_as_scheduled(flow_run: FlowRun) -> None:
    """Set the field that Prefect's API does not accept and only its scheduler sets."""
    database = PREFECT_SERVER_DATABASE_CONNECTION_URL.value().partition("///")[2]
    with contextlib.closing(sqlite3.connect(database, timeout=30)) as db, db:
        changed = db.execute("UPDATE flow_run SET auto_scheduled = 1 WHERE id = ?", [str(flow_run.id)])
        assert changed.rowcount == 1


def test_stale_run_is_skipped_without_a_request(sandbox: Sandbox, tmp_path: Path) -> None:
    bench = Bench.at(tmp_path, sandbox, basket(every="10m"))
    state, flow_run = asyncio.run(run_scheduled(bench, timedelta(minutes=11)))
    assert (state.name, state.is_completed()) == ("Skipped", True)
    assert str(state.message).endswith(" late, more than one interval")
    assert flow_run.state_name == "Skipped"
    assert sandbox.requests.since(0) == []


def test_run_within_one_interval_is_not_skipped(sandbox: Sandbox, tmp_path: Path) -> None:
    bench = Bench.at(tmp_path, sandbox, basket(every="10m"))
    state, flow_run = asyncio.run(run_scheduled(bench, timedelta(minutes=9)))
    assert state.name == "Completed"
    assert flow_run.name.startswith("core 2")


def test_unscheduled_run_is_never_skipped(sandbox: Sandbox, tmp_path: Path) -> None:
    bench = Bench.at(tmp_path, sandbox, basket(every="10m"))
    state, _ = asyncio.run(run_scheduled(bench, timedelta(hours=3), scheduled=False))
    assert state.name == "Completed"
    assert len(sandbox.requests.since(0)) > 0


def test_two_machines_that_start_begin_one_first_run(sandbox: Sandbox, tmp_path: Path) -> None:
    settings = Bench.at(tmp_path, sandbox, basket(every="12h")).settings

    async def start_twice() -> list[list[str]]:
        await prepare_pool()
        await deploy(settings, tmp_path / "floorline.toml", tmp_path, None)
        return [await start_overdue(settings, datetime.now(UTC)) for _ in range(2)]

    assert asyncio.run(start_twice()) == [["core"], []]


def test_long_run_publishes_its_progress(make_sandbox: MakeSandbox, tmp_path: Path) -> None:
    box = make_sandbox(items=1000, tier="free")
    box.fault("latency", seconds=4.0, times=None)
    bench = Bench.at(tmp_path, box, catalog_of("steam", "buff163", "csfloat", "skinport"))
    asyncio.run(run_scheduled(bench, timedelta()))
    (artifact,) = asyncio.run(artifacts("walk-core"))  # one artifact, which is updated
    assert artifact["type"] == "progress"
    assert artifact["data"] == 100.0
    assert artifact["description"].startswith("core: ")


def test_progress_is_complete_after_a_run_that_ends_during_an_update() -> None:
    shards = tuple(Shard(number, "cs2cap", "USD", ("steam",), None) for number in range(2))
    tracker = ProgressTracker(NullProgress())

    @flow
    async def long_run() -> None:
        async with publish_progress(tracker, "brief", after=0, every=0):  # updates without a pause
            tracker.planned("core", shards)
            while not await artifacts("brief"):
                pass
            tracker.counters["core"].pages = 2

    asyncio.run(long_run())
    (artifact,) = asyncio.run(artifacts("brief"))
    assert (artifact["data"], artifact["description"]) == (100.0, "core: 2 of 2 pages, 0 rows")


async def run_maintain(bench: Bench) -> State[Any]:
    """Run the flow `maintain`; return its state."""
    return await maintain(str(bench.config), return_state=True)


async def artifacts(key: str) -> list[dict[str, Any]]:
    async with get_client() as client:
        query = {"artifacts": {"key": {"any_": [key]}}}
        response = await client._client.post("/artifacts/filter", json=query)
        return list(response.json())


def test_maintain_loads_pending_landings_without_a_request(sandbox: Sandbox, tmp_path: Path) -> None:
    bench = Bench.at(tmp_path, sandbox, basket(providers=["buff163"]))
    bench.snapshot()
    quotes = bench.quotes()
    for folder in bench.paths.landing.iterdir():
        (folder / "loaded").unlink()
    shutil.rmtree(bench.paths.writer.parent)
    bench.paths.published.unlink()  # the database is brought back from it
    since = len(sandbox.requests.since(0))
    state = asyncio.run(run_maintain(bench))
    assert state.is_completed()
    assert state.message == "1 pending landing loaded"
    assert bench.quotes() == quotes != []
    assert len(sandbox.requests.since(0)) == since


def test_maintain_seals_the_months_that_are_over(sandbox: Sandbox, tmp_path: Path) -> None:
    bench = Bench.at(tmp_path, sandbox, basket(), warehouse={"seal_above": "1KB"})
    create_warehouse(bench.paths.root)
    for number, cents in enumerate((100, 120, 90)):
        land_and_load(bench.paths, f"r{number}", observe(minute(number), Quote(cents=cents)))
    history = bench.query("FROM quote_history ORDER BY valid_from")
    state = asyncio.run(run_maintain(bench))
    assert state.is_completed()
    # From the month of the prices to the last one.
    months = len(list(bench.paths.sealed.glob("*.????????.parquet")))
    assert state.message == f"0 pending landings loaded; {months} months sealed"
    assert bench.query("FROM quote_history ORDER BY valid_from") == history != []
    assert asyncio.run(run_maintain(bench)).message == "0 pending landings loaded"
    (report,) = bench.paths.reports.iterdir()
    assert report.read_text("utf-8").startswith("<!doctype html>")
    links = [artifact["data"] for artifact in asyncio.run(artifacts("report"))]
    assert f"[{report.name}]({report.as_uri()})" in links


def test_report_that_cannot_be_written_fails_the_maintenance(sandbox: Sandbox, tmp_path: Path) -> None:
    bench = Bench.at(tmp_path, sandbox, basket())
    bench.snapshot()
    bench.paths.reports.write_text("a file in the place of the folder")
    state = asyncio.run(run_maintain(bench))
    assert state.is_failed()
    assert f"the report of the night is not written: {bench.paths.reports} is not" in str(state.message)
