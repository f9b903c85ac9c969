"""`floorline up`: snapshots on schedule by themselves, a killed worker made good, all stopped in order."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sqlite3
import stat
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.core import Sandbox
from sandbox.cs2cap.keys import VALID_KEY
from sandbox.options import Options
from sandbox.server import serve
from tests.support.snapshots import Bench, basket, catalog_of, priced
from tests.support.up import Operation, operation
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("up")]


def market(tier: str, items: int = 300) -> Options:
    return Options(items=items, refresh=0, limits=False, tier=tier)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Operation, Sandbox, Sandbox]]:
    """Two baskets of two sources on short intervals, in the hands of `floorline up`."""
    with serve(market("quant")) as one, serve(market("free")) as two:
        bench = Bench.at(
            tmp_path_factory.mktemp("up"),
            {"one": one, "two": two},
            basket("quick", source="one", providers=["buff163"], every="15s"),
            catalog_of("steam", "buff163", "csfloat", name="walk", source="two", every="20s"),
        )
        with operation(bench) as started:
            yield started, one, two


def test_two_baskets_run_three_times_each_and_the_database_grows(
    running: tuple[Operation, Sandbox, Sandbox],
) -> None:
    up, one, two = running
    wait_until(lambda: len(up.runs("walk", "COMPLETED")) >= 1, 90, every=0.5)
    before = up.bench.changes()

    def three_each() -> bool:
        for box in (one, two):
            box.move(40)
        return min(len(up.runs(name, "COMPLETED")) for name in ("quick", "walk")) >= 3

    wait_until(three_each, 150, every=5)
    assert up.bench.changes() > before
    assert {(name, state) for name, state in up.bench.ask("SELECT DISTINCT basket, state FROM runs")} == {
        ("quick", "done"),
        ("walk", "done"),
    }
    last = up.runs("quick", "COMPLETED")[-1]
    assert last["name"].startswith(f"quick {last['expected_start_time'][:16]}")
    assert {"floorline", "basket:quick", "source:one"} <= set(last["tags"])
    assert "snapshot-quick" in {artifact["key"] for artifact in up.artifacts()}


def test_a_killed_worker_and_its_run_are_made_good_within_four_minutes(
    running: tuple[Operation, Sandbox, Sandbox],
) -> None:
    up, _, two = running
    two.fault("latency", seconds=2.0, times=None)
    since = len(two.requests.since(0))
    wait_until(
        lambda: up.under_way("walk") and sum(e.status == 200 for e in priced(two, since)) >= 3, 90, every=0.5
    )
    (lost,) = up.under_way("walk")
    (worker,) = up.children("worker")
    killed = time.monotonic()
    os.kill(worker, signal.SIGKILL)
    os.kill(int(lost["infrastructure_pid"]), signal.SIGKILL)
    two.faults.clear()

    def loaded() -> bool:
        rows = up.bench.ask("SELECT state FROM runs WHERE basket = 'walk' ORDER BY started_at")
        states = [state for (state,) in rows]
        return "crashed" in states and states[-1] == "done" and states.index("crashed") < len(states) - 1

    wait_until(lambda: up.run(lost["id"])["state_type"] == "CRASHED", 240, every=0.5)
    wait_until(loaded, 240 - (time.monotonic() - killed), every=0.5)
    assert time.monotonic() - killed < 240
    ((rows,),) = up.bench.ask("SELECT rows_fetched FROM runs WHERE basket = 'walk' AND state = 'crashed'")
    assert rows > 0
    assert "worker-1 died, killed by SIGKILL" in up.said()
    assert up.children("worker") != [worker]


def test_what_it_writes_is_private_and_holds_no_key(running: tuple[Operation, Sandbox, Sandbox]) -> None:
    up, _, _ = running
    home = up.bench.home.root / "prefect"
    logs = sorted((home / "logs").iterdir())
    assert [log.name for log in logs] == ["deploy.log", "server.log", "worker-1.log"]
    assert {stat.S_IMODE(log.stat().st_mode) for log in logs} == {0o600}
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    for path in home.rglob("*"):
        assert path.is_dir() or VALID_KEY.encode() not in path.read_bytes(), path
    assert VALID_KEY not in up.said()


def test_a_dead_server_ends_it_all_with_the_tail_of_its_log(
    running: tuple[Operation, Sandbox, Sandbox],
) -> None:
    up, _, _ = running
    (server,) = up.children("server")
    everybody = up.family()
    os.kill(server, signal.SIGKILL)
    assert up.process.wait(60) == 1
    assert "server died, killed by SIGKILL" in up.said()
    assert "server.log ends with" in up.said()
    assert up.left_of(everybody) == set()


def test_a_signal_stops_it_in_order_and_leaves_nothing_running(tmp_path: Path) -> None:
    with serve(market("free", items=1000)) as box:
        bench = Bench.at(tmp_path, box, catalog_of("steam", "buff163", "csfloat", name="walk", every="15s"))
        box.fault("latency", seconds=2.0, times=None)
        with operation(bench) as up:
            wait_until(lambda: sum(e.status == 200 for e in priced(box)) >= 3, 120, every=0.5)
            box.faults.clear()
            box.fault("latency", seconds=25.0, times=None)  # now it will not finish by itself
            everybody = up.family()
            up.process.send_signal(signal.SIGTERM)
            assert up.process.wait(60) == 143
            assert up.left_of(everybody) == set()
        ((state, rows),) = bench.ask("SELECT state, rows_fetched FROM runs")
        assert (state, rows > 0) == ("cancelled", True)
        with contextlib.closing(sqlite3.connect(bench.home.root / "prefect" / "prefect.db")) as db:
            states = {state for (state,) in db.execute("SELECT DISTINCT state_type FROM flow_run")}
        assert states & {"PENDING", "RUNNING"} == set()
        box.faults.clear()
        assert [result.state for result in bench.snapshot()] == ["done"]


def test_a_port_in_use_is_told_before_anything_starts(tmp_path: Path) -> None:
    with serve(market("free")) as box, socket.socket() as taken:
        bench = Bench.at(tmp_path, box, basket())
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        said = bench.command("up", "--port", port, check=2)
    assert f"port {port} on loopback cannot be used" in said.stderr
