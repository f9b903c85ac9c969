"""The Prefect flow: a task a shard and one that loads; a rejected key ends it by name and shows nowhere."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import re
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prefect.blocks.system import Secret
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import TaskRunFilter, TaskRunFilterFlowRunId
from prefect.client.schemas.objects import FlowRun, State, TaskRun
from pydantic import SecretStr

from common.errors import ConfigError
from floorline.cli.commands import snapshot as snapshot_command
from flows.snapshot import collect_results, snapshot
from pipelines.results import RunResult
from pipelines.snapshot.progress import NullProgress
from sandbox.core import Sandbox
from sandbox.options import Options
from sandbox.server import serve
from tests.support.clocks import NOON
from tests.support.prefect_server import WITH_PREFECT, dump_sqlite, temporary_prefect
from tests.support.snapshots import Bench, basket, catalog_of, ledger, priced

pytestmark = WITH_PREFECT
KEY = "cs2c_live_planted_5d1f7a90c3e24b68"


@dataclasses.dataclass(frozen=True, slots=True)
class Ran:
    """A flow run that has ended."""

    bench: Bench
    state: State[Any]
    results: list[RunResult]
    flow_run: FlowRun
    tasks: list[TaskRun]
    events: list[dict[str, Any]]
    artifacts: list[dict[str, Any]]


@pytest.fixture(scope="module")
def prefect(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A temporary Prefect server; its SQLite file."""
    os.environ["FLOORLINE_TEST_KEY"] = KEY
    with temporary_prefect() as database:
        yield database
    del os.environ["FLOORLINE_TEST_KEY"]


def market(**options: Any) -> Options:
    return Options(**{"items": 300, "frozen": NOON, "refresh": 0, "limits": False, **options})


@pytest.fixture(scope="module")
def completed(prefect: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ran]:
    """Two baskets, five shards, the key in a Secret block."""
    with serve(market()) as box:
        box.key(KEY)
        Secret(value=SecretStr(KEY)).save("floorline-test", overwrite=True)
        bench = Bench.at(
            tmp_path_factory.mktemp("completed"),
            box,
            catalog_of("steam", "buff163", currencies=["USD", "EUR"]),
            basket("two"),
            source={"key": "block:floorline-test"},
        )
        yield ran(bench)


@pytest.fixture(scope="module")
def refused(prefect: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Ran, Sandbox]]:
    """A key that is revoked in the middle of four concurrent shards."""
    with serve(market(items=2000, tier="free")) as box:
        box.key(KEY, tier="free")
        box.fault("latency", seconds=0.05, times=None)
        box.fault("revoke_key", after=9, times=None)
        bench = Bench.at(
            tmp_path_factory.mktemp("refused"),
            box,
            catalog_of("steam", "buff163", "csfloat", "youpin"),
            source={"key": "env:FLOORLINE_TEST_KEY", "concurrency": 4},
        )
        yield ran(bench), box


def ran(bench: Bench) -> Ran:
    """Run the flow to its end and gather what the server then knows."""

    async def run() -> tuple[State[Any], list[RunResult]]:
        with collect_results(NullProgress()) as results:
            return await snapshot(None, str(bench.config), return_state=True), results

    state, results = asyncio.run(run())
    return asyncio.run(gathered(bench, state, results))


async def gathered(bench: Bench, state: State[Any], results: list[RunResult]) -> Ran:
    async with get_client() as client:
        run_id = state.state_details.flow_run_id
        assert run_id is not None
        chosen = TaskRunFilter(flow_run_id=TaskRunFilterFlowRunId(any_=[run_id]))
        tasks = await client.read_task_runs(task_run_filter=chosen)
        artifacts = await client.request(
            "POST", "/artifacts/filter", json={"artifacts": {"flow_run_id": {"any_": [str(run_id)]}}}
        )
        wanted = {"filter": {"event": {"prefix": ["floorline."]}}}
        events: list[dict[str, Any]] = []
        end = time.monotonic() + (15 if state.is_failed() else 0)
        while not events:
            events = (await client.request("POST", "/events/filter", json=wanted)).json()["events"]
            if time.monotonic() > end:
                break
            await asyncio.sleep(0.2)
        flow_run = await client.read_flow_run(run_id)
    return Ran(bench, state, results, flow_run, tasks, events, artifacts.json())


def test_a_run_that_came_through_is_completed(completed: Ran) -> None:
    assert completed.state.is_completed()
    assert [result.state for result in completed.results] == ["done", "done"]
    assert "core: done: " in str(completed.state.message)


def test_it_has_a_task_a_shard_and_one_that_loads(completed: Ran) -> None:
    names = Counter(task.name.rpartition("-")[0] for task in completed.tasks)
    assert names == {
        "fetch steam USD #0": 1,
        "fetch buff163 USD #1": 1,
        "fetch steam EUR #2": 1,
        "fetch buff163 EUR #3": 1,
        "fetch 2 items USD #0": 1,
        "load and publish": 1,
    }
    assert {task.state_name for task in completed.tasks} == {"Completed"}


def test_it_leaves_a_table_of_the_runs_and_no_alert(completed: Ran) -> None:
    tables = {artifact["key"]: artifact["data"] for artifact in completed.artifacts}
    assert tables.keys() == {"snapshot-core", "snapshot-two"}
    for name in ("rows", "changed", "rejected", "requests", "quota left"):
        assert f'"{name}": ' in tables["snapshot-core"]
    assert completed.events == []


def test_it_is_called_by_its_baskets_and_the_moment_of_its_start(completed: Ran) -> None:
    assert re.fullmatch(r"all \d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d)?Z", completed.flow_run.name)


def test_a_rejected_key_fails_it_by_name_and_is_not_retried(refused: tuple[Ran, Sandbox]) -> None:
    run, box = refused
    assert (run.state.name, run.flow_run.state_name) == ("AuthFailed", "AuthFailed")
    assert run.flow_run.state is not None
    assert run.flow_run.state.is_failed()
    assert run.flow_run.run_count == 1
    assert "AUTH_API_KEY_REVOKED" in str(run.state.message)
    asked = priced(box)
    assert Counter(entry.query for entry in asked).most_common(1)[0][1] == 1
    first = next(entry for entry in asked if entry.status == 401)
    assert sum(entry.t > first.t for entry in asked) <= 4


def test_siblings_are_ended_and_what_had_landed_is_loaded(refused: tuple[Ran, Sandbox]) -> None:
    run, box = refused
    states = Counter(task.state_name for task in run.tasks)
    assert states["Completed"] == 1  # the one that loads
    assert states["Failed"] >= 1
    assert states["Failed"] + states["Crashed"] == 4
    (result,) = run.results
    assert result.load is not None
    assert 0 < result.load.rows_fetched == len(run.bench.quotes())
    assert set(run.bench.quotes()) < set(ledger(box, ["steam", "buff163", "csfloat", "youpin"]))


def test_everybody_is_told(refused: tuple[Ran, Sandbox]) -> None:
    run, _ = refused
    (event,) = run.events
    assert event["event"] == "floorline.auth.failed"
    assert event["resource"]["prefect.resource.id"] == "floorline.source.cs2cap"
    assert event["payload"]["code"] == "AUTH_API_KEY_REVOKED"
    told = {artifact["key"]: artifact["data"] for artifact in run.artifacts}
    page = told["alert-auth-failed-cs2cap"]
    for part in ("cs2cap", "AUTH_API_KEY_REVOKED", "Issue a new key", f"…{KEY[-4:]}"):
        assert part in page
    assert "/artifacts/key/alert-auth-failed-cs2cap" in told["alert-of-core"]
    assert [alert.cause for alert in run.bench.alerts()] == ["auth.failed"]


def test_a_wrong_configuration_is_raised_to_the_caller(
    prefect: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with serve(market()) as box:
        bench = Bench.at(tmp_path_factory.mktemp("wrong"), box, basket(providers=["steem"]))
        with pytest.raises(ConfigError, match="did you mean 'steam'"):
            asyncio.run(snapshot(None, str(bench.config)))
        assert priced(box) == []


def test_sigterm_ends_it_with_what_arrived_loaded(
    prefect: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with serve(market(items=1000, tier="free")) as box:
        box.fault("latency", seconds=0.1, times=None)
        bench = Bench.at(tmp_path_factory.mktemp("stopped"), box, catalog_of("steam", "buff163"))

        def stop() -> None:
            while sum(entry.status == 200 for entry in priced(box)) < 4:
                time.sleep(0.01)
            os.kill(os.getpid(), signal.SIGTERM)

        stopper = threading.Thread(target=stop)
        stopper.start()
        with pytest.raises(SystemExit) as ended:
            snapshot_command.snapshot(config=bench.config, as_json=True, prefect=True, quiet=True)
        stopper.join()
    assert ended.value.code == 143
    ((state, rows),) = bench.ask("SELECT state, rows_fetched FROM runs")
    assert state == "cancelled"
    assert rows >= 100


def test_the_key_is_nowhere(
    prefect: Path, completed: Ran, refused: tuple[Ran, Sandbox], capfd: pytest.CaptureFixture[str]
) -> None:
    dump = dump_sqlite(prefect)
    assert "fetch steam USD" in dump  # it is the right file
    assert KEY not in dump
    for run in (completed, refused[0]):
        assert KEY not in dump_sqlite(run.bench.home.state)
        for view in ("runs", "rejects", "alerts", "observations", "providers", "quotes", "items"):
            assert KEY not in str(run.bench.ask(f"FROM {view}"))
        for path in run.bench.home.root.rglob("*"):
            assert path.is_dir() or KEY.encode() not in path.read_bytes(), path
    assert KEY not in "".join(capfd.readouterr())
