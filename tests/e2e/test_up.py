"""`floorline up`: scheduled snapshots, recovery from a killed worker, and a shutdown in order."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sqlite3
import stat
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import httpx
import pytest

from floorline.up.access import prefect_home, read_access
from sandbox.core import Sandbox
from sandbox.cs2cap.keys import VALID_KEY
from sandbox.options import Options
from sandbox.server import serve
from tests.support.snapshots import Bench, basket, catalog_of, price_requests
from tests.support.up import RunningUp, running_up, still_running
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("up")]


def market(tier: str, items: int = 300) -> Options:
    return Options(items=items, refresh=0, limits=False, tier=tier)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RunningUp, Sandbox, Sandbox]]:
    """Run `floorline up` with a dashboard and two baskets on short intervals, of which one is live, too."""
    with serve(market("quant")) as one, serve(market("free")) as two:
        bench = Bench.at(
            tmp_path_factory.mktemp("up"),
            {"one": one, "two": two},
            basket("quick", source="one", providers=["buff163"], every="15s", live=True),
            catalog_of("steam", "buff163", "csfloat", name="full", source="two", every="20s"),
        )
        with running_up(bench, "--dashboard", "--dashboard-port", "0") as started:
            yield started, one, two


def test_baskets_run_on_schedule_and_the_database_grows(
    running: tuple[RunningUp, Sandbox, Sandbox],
) -> None:
    up, one, two = running
    wait_until(up.bench.paths.published.exists, 240, every=0.2)  # a run that starts late is skipped
    before = up.bench.changes()

    def three_runs_each() -> bool:
        for box in (one, two):
            box.move(40)
        return min(len(up.runs(name, "COMPLETED")) for name in ("quick", "full")) >= 3

    wait_until(three_runs_each, 150, every=5)
    assert up.bench.changes() > before
    assert {(name, state) for name, state in up.bench.query("SELECT DISTINCT basket, state FROM runs")} == {
        ("quick", "done"),
        ("full", "done"),
    }
    for run in up.runs("quick", "COMPLETED"):  # a run that is taken early may be cancelled for the last one
        pending = min(state["timestamp"] for state in up.states(run["id"]) if state["type"] == "PENDING")
        assert datetime.fromisoformat(pending) >= datetime.fromisoformat(run["expected_start_time"])
    last = up.runs("quick", "COMPLETED")[-1]
    assert last["name"].startswith(f"quick {last['expected_start_time'][:16]}")
    assert {"floorline", "basket:quick", "source:one"} <= set(last["tags"])
    assert "snapshot-quick" in {artifact["key"] for artifact in up.query("artifacts")}


def test_feeds_are_followed_beside_the_runs(running: tuple[RunningUp, Sandbox, Sandbox]) -> None:
    up, one, _ = running
    told = "SELECT count(*) FROM runs WHERE flow = 'live' AND basket = 'quick' AND rows_fetched > 0"

    def has_told() -> bool:
        ids = [
            item_id for (item_id,) in up.bench.query("SELECT item_id::INT FROM quotes WHERE source = 'one'")
        ]
        one.move(1, provider="buff163", item_ids=ids)
        return bool(up.bench.query(told)[0][0])

    wait_until(lambda: one.feeds.connections, 240, every=0.2)
    wait_until(up.bench.paths.published.exists, 240, every=0.2)
    wait_until(has_told, 150, every=1)
    assert len(up.children("floorline live")) == 1


def test_dashboard_is_served_without_keys_and_restarted(
    running: tuple[RunningUp, Sandbox, Sandbox],
) -> None:
    up, _, _ = running
    access = read_access(prefect_home(up.bench.paths.root))
    assert access is not None
    address = access.dashboard
    assert address is not None
    assert f"Dashboard: {address}" in up.output()
    assert address in up.bench.command("ui").stdout

    def answers() -> bool:
        with contextlib.suppress(httpx.TransportError):
            return httpx.get(address, timeout=30).status_code == httpx.codes.OK
        return False

    wait_until(answers, 120, every=0.2)
    (dashboard,) = up.children("up.dashboard_server")
    environment = Path(f"/proc/{dashboard}/environ").read_bytes()
    assert VALID_KEY.encode() not in environment
    assert up.secret.encode() not in environment
    os.kill(dashboard, signal.SIGKILL)
    wait_until(lambda: "dashboard died, killed by SIGKILL" in up.output(), 60, every=0.2)
    wait_until(answers, 120, every=0.2)
    assert up.children("up.dashboard_server") != [dashboard]


def test_killed_worker_and_run_recover_within_four_minutes(
    running: tuple[RunningUp, Sandbox, Sandbox],
) -> None:
    up, _, two = running
    two.fault("latency", seconds=2.0, times=None)
    since = len(two.requests.since(0))
    wait_until(
        lambda: up.runs("full", "RUNNING") and sum(e.status == 200 for e in price_requests(two, since)) >= 3,
        240,
        every=0.5,
    )
    (lost,) = up.runs("full", "RUNNING")
    (worker,) = up.children("worker start")
    killed_at = time.monotonic()
    os.kill(worker, signal.SIGKILL)
    os.kill(int(lost["infrastructure_pid"]), signal.SIGKILL)
    two.faults.clear()

    def loaded() -> bool:
        rows = up.bench.query("SELECT state FROM runs WHERE basket = 'full' ORDER BY started_at")
        states = [state for (state,) in rows]
        return "crashed" in states and states[-1] == "done" and states.index("crashed") < len(states) - 1

    wait_until(lambda: up.run(lost["id"])["state_type"] == "CRASHED", 240, every=0.5)
    wait_until(loaded, 240 - (time.monotonic() - killed_at), every=0.5)
    assert time.monotonic() - killed_at < 240
    ((rows,),) = up.bench.query("SELECT rows_fetched FROM runs WHERE basket = 'full' AND state = 'crashed'")
    assert rows > 0
    assert "worker-1 died, killed by SIGKILL" in up.output()
    assert up.children("worker start") != [worker]


def test_files_are_private_and_contain_no_key(running: tuple[RunningUp, Sandbox, Sandbox]) -> None:
    up, _, _ = running
    home = up.bench.paths.root / "prefect"
    logs = sorted((home / "logs").iterdir())
    assert "2 baskets run every few minutes: PostgreSQL is better" in up.output()
    assert [log.name for log in logs] == ["dashboard.log", "live.log", "server.log", "up.log", "worker-1.log"]
    assert {stat.S_IMODE(log.stat().st_mode) for log in logs} == {0o600}
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    for path in home.rglob("*"):
        assert path.is_dir() or VALID_KEY.encode() not in path.read_bytes(), path
    assert VALID_KEY not in up.output()


def test_dead_server_ends_everything_and_its_log_is_printed(
    running: tuple[RunningUp, Sandbox, Sandbox],
) -> None:
    up, _, _ = running
    (server,) = up.children("up.prefect_server")
    family = up.family()
    os.kill(server, signal.SIGKILL)
    assert up.process.wait(240) == 1
    assert "server died, killed by SIGKILL" in up.output()
    assert "server.log ends with" in up.output()
    assert still_running(family) == set()


def test_signal_stops_all_processes_and_loads_the_data_that_arrived(tmp_path: Path) -> None:
    with serve(market("free", items=1000)) as box:
        bench = Bench.at(tmp_path, box, catalog_of("steam", "buff163", "csfloat", name="full", every="15s"))
        box.fault("latency", seconds=2.0, times=None)
        with running_up(bench) as up:
            wait_until(lambda: sum(e.status == 200 for e in price_requests(box)) >= 3, 120, every=0.5)
            box.faults.clear()
            box.fault("latency", seconds=3600, times=None)  # the run cannot finish without a signal
            family = up.family()
            up.process.send_signal(signal.SIGTERM)
            assert up.process.wait(240) == 143
            assert still_running(family) == set()
        ((state, rows),) = bench.query("SELECT state, rows_fetched FROM runs")
        assert (state, rows > 0) == ("cancelled", True)
        with contextlib.closing(sqlite3.connect(bench.paths.root / "prefect" / "prefect.db")) as db:
            states = {state for (state,) in db.execute("SELECT DISTINCT state_type FROM flow_run")}
        assert states & {"PENDING", "RUNNING"} == set()
        box.faults.clear()
        assert [result.state for result in bench.snapshot()] == ["done"]


def test_port_in_use_is_a_usage_error(tmp_path: Path) -> None:
    with serve(market("free")) as box, socket.socket() as taken:
        bench = Bench.at(tmp_path, box, basket())
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        output = bench.command("up", "--port", port, check=2)
    assert f"port {port} on loopback cannot be used" in output.stderr
