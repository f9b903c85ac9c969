"""The flow `snapshot` in Prefect: its log, task, states, artifacts and events; the key is stored nowhere."""

from __future__ import annotations

import asyncio
import logging
import os
import re
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from prefect.blocks.system import Secret
from prefect.client.orchestration import get_client
from pydantic import SecretStr

from common.errors import ConfigError
from floorline.cli.commands import snapshot as snapshot_command
from floorline.cli.json_output import CommandEnded
from flows.snapshot import snapshot
from sandbox.core import Sandbox
from sandbox.options import Options
from sandbox.server import serve
from tests.support.clocks import NOON
from tests.support.flow_runs import FinishedRun, run_flow
from tests.support.prefect_server import WITH_PREFECT, dump_sqlite, temporary_prefect
from tests.support.snapshots import Bench, basket, catalog_of, ledger, price_requests
from warehouse.state.alerts import AlertStore
from warehouse.state.database import open_state

pytestmark = WITH_PREFECT
KEY = "cs2c_live_planted_5d1f7a90c3e24b68"


@pytest.fixture(scope="module")
def prefect(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Run a temporary Prefect server; yield its SQLite file."""
    os.environ["FLOORLINE_TEST_KEY"] = KEY
    with temporary_prefect() as database:
        yield database
    del os.environ["FLOORLINE_TEST_KEY"]


def sandbox_options(**options: Any) -> Options:
    return Options(**{"items": 300, "frozen": NOON, "refresh": 0, "limits": False, **options})


@pytest.fixture(scope="module")
def completed(prefect: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FinishedRun]:
    """Run two baskets with five shards; the key is in a Secret block."""
    with serve(sandbox_options()) as box:
        box.key(KEY)
        Secret(value=SecretStr(KEY)).save("floorline-test", overwrite=True)
        bench = Bench.at(
            tmp_path_factory.mktemp("completed"),
            box,
            catalog_of("steam", "buff163", currencies=["USD", "EUR"]),
            basket("two"),
            source={"key": "block:floorline-test"},
        )
        yield run_flow(bench)


@pytest.fixture(scope="module")
def rejected(
    prefect: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[FinishedRun, Sandbox]]:
    """Run four concurrent shards; the key is revoked in the middle."""
    with serve(sandbox_options(items=2000, tier="free")) as box:
        box.key(KEY, tier="free")
        box.fault("latency", seconds=0.05, times=None)
        box.fault("revoke_key", after=9, times=None)
        bench = Bench.at(
            tmp_path_factory.mktemp("rejected"),
            box,
            catalog_of("steam", "buff163", "csfloat", "youpin"),
            source={"key": "env:FLOORLINE_TEST_KEY", "concurrency": 4},
        )
        yield run_flow(bench), box


def test_complete_run_is_completed(completed: FinishedRun) -> None:
    assert completed.state.is_completed()
    assert [result.state for result in completed.results] == ["done", "done"]
    assert "core: done: " in str(completed.state.message)


def test_run_logs_each_shard(completed: FinishedRun) -> None:
    bench = completed.bench
    rows = Counter((quote[0], currency) for currency in ("USD", "EUR") for quote in bench.quotes(currency))
    shards = [("steam", "USD"), ("buff163", "USD"), ("steam", "EUR"), ("buff163", "EUR")]
    expected = {
        f"fetched core: {provider} {currency} #{number}, rows: {rows[provider, currency]}"
        for number, (provider, currency) in enumerate(shards)
    }
    fetched = {line for level, line in completed.logs if level == logging.INFO and line.startswith("fetched")}
    assert fetched == expected | {"fetched two: 2 items USD #0, rows: 1"}


def test_shards_are_no_tasks(completed: FinishedRun) -> None:
    """Each task would add 20 KB to Prefect's database."""
    (load,) = completed.tasks
    assert (load.name.rpartition("-")[0], load.state_name) == ("load and publish", "Completed")


def test_shard_that_fails_is_in_the_log_of_its_run(
    prefect: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with serve(sandbox_options()) as box:
        box.key(KEY)
        box.fault("refused", status=404, match={"providers": "buff163"}, times=None)
        source = {"key": "env:FLOORLINE_TEST_KEY"}
        bench = Bench.at(
            tmp_path_factory.mktemp("failing"), box, catalog_of("steam", "buff163"), source=source
        )
        run = run_flow(bench)
    assert run.state.name == "Incomplete"
    errors = [line for level, line in run.logs if level == logging.ERROR]
    (error,) = [line for line in errors if line.startswith("incomplete core: buff163 USD #1, rows: 0: ")]
    assert "404" in error


def test_run_publishes_reports_and_no_alert(completed: FinishedRun) -> None:
    reports = {artifact["key"]: artifact["data"] for artifact in completed.artifacts}
    assert reports.keys() == {"snapshot-core", "snapshot-two"}
    report = reports["snapshot-core"]
    for provider in ("steam", "buff163"):
        for currency in ("USD", "EUR"):
            rows = sum(quote[0] == provider for quote in completed.bench.quotes(currency))
            assert f"| `{provider}` | `{currency}` | `{rows:,}` | `{rows:,}` | `0` | `yes` |" in report
    assert re.search(r"- \d+ requests, [\d,]+ left of the month", report)
    assert f"/runs/flow-run/{completed.flow_run.id})" in report
    assert completed.events == []


def test_run_logs_its_plan_and_its_load(completed: FinishedRun) -> None:
    rows = sum(len(completed.bench.quotes(currency)) for currency in ("USD", "EUR"))
    lines = [line for _, line in completed.logs]
    assert "core: planned 4 shards (4 by the route catalog), at least 4 requests" in lines
    assert f"core: loaded {rows:,} rows, {rows:,} changed, 0 closed" in lines


def test_moves_and_rejects_are_in_the_log_and_in_the_report(
    prefect: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with serve(sandbox_options(refresh=60, moving=0.2)) as box:
        box.key(KEY)
        bench = Bench.at(
            tmp_path_factory.mktemp("moves"),
            box,
            catalog_of("steam", "buff163"),
            source={"key": "env:FLOORLINE_TEST_KEY"},
        )
        run_flow(bench)
        box.advance(3600)
        run = run_flow(bench)
    (result,) = run.results
    assert result.load is not None
    moves = result.load.moves
    assert 3 <= len(moves) <= 10
    factors = [max(move.price / move.was, move.was / move.price) for move in moves]
    assert factors == sorted(factors, reverse=True)
    lines = [line for _, line in run.logs if line.startswith("core: moved ")]
    assert len(lines) == 3
    assert moves[0].market_hash_name in lines[0]
    report = next(one["data"] for one in run.artifacts if one["key"] == "snapshot-core")
    assert report.count("%` |") == len(moves)


def test_run_name_has_baskets_and_start_time(completed: FinishedRun) -> None:
    assert re.fullmatch(r"all \d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d)?Z", completed.flow_run.name)


def test_rejected_key_fails_the_run_without_retry(rejected: tuple[FinishedRun, Sandbox]) -> None:
    run, box = rejected
    assert (run.state.name, run.flow_run.state_name) == ("AuthFailed", "AuthFailed")
    assert run.flow_run.state is not None
    assert run.flow_run.state.is_failed()
    assert run.flow_run.run_count == 1
    assert "AUTH_API_KEY_REVOKED" in str(run.state.message)
    requests = price_requests(box)
    assert Counter(entry.query for entry in requests).most_common(1)[0][1] == 1
    first = next(entry for entry in requests if entry.status == 401)
    assert sum(entry.t > first.t for entry in requests) <= 4


def test_rejected_key_stops_all_shards_and_loads_landed_pages(rejected: tuple[FinishedRun, Sandbox]) -> None:
    run, box = rejected
    assert [task.state_name for task in run.tasks] == ["Completed"]  # the load task
    ended = [line for level, line in run.logs if level == logging.ERROR and line.startswith("incomplete ")]
    assert len(ended) == 4
    assert sum("AUTH_API_KEY_REVOKED" in line for line in ended) >= 1
    (result,) = run.results
    assert result.load is not None
    assert 0 < result.load.rows_fetched == len(run.bench.quotes())
    assert set(run.bench.quotes()) < set(ledger(box, ["steam", "buff163", "csfloat", "youpin"]))


def test_rejected_key_publishes_event_and_alert(rejected: tuple[FinishedRun, Sandbox]) -> None:
    run, _ = rejected
    (event,) = run.events
    assert event["event"] == "floorline.auth.failed"
    assert event["resource"]["prefect.resource.id"] == "floorline.source.cs2cap"
    assert event["payload"]["code"] == "AUTH_API_KEY_REVOKED"
    artifacts = {artifact["key"]: artifact["data"] for artifact in run.artifacts}
    page = artifacts["alert-auth-failed-cs2cap"]
    for part in ("cs2cap", "AUTH_API_KEY_REVOKED", "Issue a new key", f"…{KEY[-4:]}"):
        assert part in page
    assert "command: floorline key status" in page
    assert "/artifacts/key/alert-auth-failed-cs2cap" in artifacts["snapshot-core"]
    assert [alert.cause for alert in run.bench.alerts()] == ["auth.failed"]


def read_page(key: str) -> str:
    """Return the newest version of an artifact."""

    async def read() -> str:
        async with get_client() as client:
            path = {"key": key}
            artifact = await client.request("GET", "/artifacts/{key}/latest", path_params=path)
            return str(artifact.json()["data"])

    return asyncio.run(read())


@pytest.mark.parametrize("by_hand", [False, True], ids=["by a run", "by hand"])
def test_page_of_an_alert_closes_with_the_alert(
    prefect: Path, tmp_path_factory: pytest.TempPathFactory, *, by_hand: bool
) -> None:
    with serve(sandbox_options()) as box:
        box.key(KEY)
        bench = Bench.at(
            tmp_path_factory.mktemp("page"), box, basket(), source={"key": "env:FLOORLINE_TEST_KEY"}
        )
        run_flow(bench)
        box.key(KEY, "disabled")
        run_flow(bench)
        assert "# auth.failed\n" in read_page("alert-auth-failed-cs2cap")
        box.key(KEY)
        (alert,) = bench.alerts()
        assert alert.alert_id is not None
        if by_hand:
            AlertStore(open_state(bench.paths)).clear(alert.alert_id, datetime.now(UTC))
        else:
            AlertStore(open_state(bench.paths)).delete_rejection("cs2cap")
        run_flow(bench)
    page = read_page("alert-auth-failed-cs2cap")
    assert "# auth.failed is over\n" in page
    assert "lasted " in page


def test_config_error_is_raised_to_the_caller(
    prefect: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with serve(sandbox_options()) as box:
        bench = Bench.at(tmp_path_factory.mktemp("wrong"), box, basket(providers=["steem"]))
        with pytest.raises(ConfigError, match="did you mean 'steam'"):
            asyncio.run(snapshot(None, str(bench.config)))
        assert price_requests(box) == []


def test_sigterm_loads_landed_pages_and_exits_with_143(
    prefect: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with serve(sandbox_options(items=1000, tier="free")) as box:
        box.fault("latency", seconds=0.1, times=None)
        bench = Bench.at(tmp_path_factory.mktemp("stopped"), box, catalog_of("steam", "buff163"))

        def stop() -> None:
            while sum(entry.status == 200 for entry in price_requests(box)) < 4:
                time.sleep(0.01)
            os.kill(os.getpid(), signal.SIGTERM)

        stopper = threading.Thread(target=stop)
        stopper.start()
        with pytest.raises(CommandEnded) as ended:
            snapshot_command.snapshot(config=bench.config, as_json=True, prefect=True, quiet=True)
        stopper.join()
    assert ended.value.error.exit_code == 143
    ((state, rows),) = bench.query("SELECT state, rows_fetched FROM runs")
    assert state == "cancelled"
    assert rows >= 100


def test_key_is_stored_nowhere(
    prefect: Path,
    completed: FinishedRun,
    rejected: tuple[FinishedRun, Sandbox],
    capfd: pytest.CaptureFixture[str],
) -> None:
    dump = dump_sqlite(prefect)
    assert "fetched core: steam USD" in dump  # the dump is of the right file
    assert KEY not in dump
    for run in (completed, rejected[0]):
        assert KEY not in dump_sqlite(run.bench.paths.state)
        for view in ("runs", "rejects", "alerts", "observations", "providers", "quotes", "items"):
            assert KEY not in str(run.bench.query(f"FROM {view}"))
        for path in run.bench.paths.root.rglob("*"):
            assert path.is_dir() or KEY.encode() not in path.read_bytes(), path
    assert KEY not in "".join(capfd.readouterr())
