"""`floorline up` while its parts are killed, its pool is paused and its terminal is lost.

Nothing runs twice, nothing stays behind, and the next start works.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
from collections.abc import Callable, Iterator

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from sandbox.core import Sandbox
from sandbox.options import Options
from sandbox.server import serve
from tests.support.json_outputs import read_result
from tests.support.snapshots import Bench, basket, catalog_of, price_requests
from tests.support.up import Record, RunningUp, still_running, up_on_terminal
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("up")]
Running = tuple[RunningUp, Sandbox, Callable[[], None]]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Run `floorline up` on a terminal, with a basket that runs often and one that runs four times a day."""
    with serve(Options(items=300, refresh=0, limits=False, tier="free")) as box:
        bench = Bench.at(
            tmp_path_factory.mktemp("endings"),
            box,
            catalog_of("steam", "buff163", "csfloat", name="full", every="20s"),
            basket("rare", every="6h"),
        )
        with up_on_terminal(bench) as (up, close):
            yield up, box, close


def running_run(up: RunningUp, box: Sandbox) -> Record:
    """Return a run that has fetched its first page, and whose next pages take long."""
    box.fault("latency", seconds=2.0, times=None)
    wait_until(lambda: up.runs("full", "RUNNING"), 120, every=0.2)
    (run,) = up.runs("full", "RUNNING")
    since = len(box.requests.since(0))
    wait_until(lambda: len(price_requests(box, since)) >= 1, 240, every=0.2)
    return run


def test_basket_without_data_runs_at_once(running: Running) -> None:
    up, _, _ = running
    wait_until(lambda: up.runs("rare", "COMPLETED"), 120, every=0.5)
    assert "a first run begins now, because none is recent: full, rare" in up.output()
    wait_until(lambda: "run rare" in up.output(), 240, every=0.2)
    assert "Completed: rare: done" in up.output()


def test_killed_worker_is_replaced_and_its_run_ends_once(running: Running) -> None:
    up, box, _ = running
    run = running_run(up, box)
    (worker,) = up.children("worker start")
    os.kill(worker, signal.SIGKILL)
    box.faults.clear()
    pid = int(run["infrastructure_pid"])
    wait_until(lambda: up.run(run["id"])["state_type"] in {"COMPLETED", "CRASHED"}, 240, every=0.2)
    wait_until(lambda: still_running({pid}) == set(), every=0.1)
    assert [state["type"] for state in up.states(run["id"])].count("RUNNING") == 1
    wait_until(lambda: up.children("worker start") not in ([], [worker]), 240, every=0.2)
    done = len(up.runs("full", "COMPLETED"))
    wait_until(lambda: len(up.runs("full", "COMPLETED")) > done, 120, every=0.5)


def test_killed_run_is_crashed_and_the_next_one_goes_on(running: Running) -> None:
    up, box, _ = running
    run = running_run(up, box)
    os.kill(int(run["infrastructure_pid"]), signal.SIGKILL)
    box.faults.clear()
    wait_until(lambda: up.run(run["id"])["state_type"] == "CRASHED", 120, every=0.5)
    done = len(up.runs("full", "COMPLETED"))
    wait_until(lambda: len(up.runs("full", "COMPLETED")) > done, 120, every=0.5)
    assert "Crashed" in up.output()
    assert len(up.runs("full", "RUNNING")) <= 1


def test_paused_pool_is_seen_everywhere(running: Running) -> None:
    up, _, _ = running
    up.bench.command("prefect", "work-pool", "pause", "floorline")
    wait_until(lambda: "the work pool floorline is paused" in up.output(), 240, every=0.2)
    assert "its work pool is paused, and nothing runs" in up.bench.command("status").stdout
    assert read_result(up.bench.command("status", "--json").stdout)["up"]["pool_paused"]
    assert "the work pool floorline is paused: no run starts" in up.bench.command("doctor", check=None).stdout
    up.bench.command("prefect", "work-pool", "resume", "floorline")
    wait_until(lambda: "the work pool floorline is resumed" in up.output(), 240, every=0.2)
    assert "paused" not in up.bench.command("status").stdout


def test_metrics_of_floorline_and_of_prefect(running: Running) -> None:
    up, _, _ = running
    page = up.api.removesuffix("/api")
    user, _, password = up.secret.partition(":")
    assert httpx.get(f"{page}/metrics", timeout=30).status_code == 401
    shown = httpx.get(f"{page}/metrics", auth=(user, password), timeout=30).text
    samples = {
        (sample.name, sample.labels.get("basket")): sample.value
        for family in text_string_to_metric_families(shown)
        for sample in family.samples
    }
    assert samples["floorline_up", None] == 1
    assert samples["floorline_basket_rows", "full"] > 0
    of_prefect = httpx.get(f"{up.api}/metrics", auth=(user, password), timeout=30).text
    assert "python_info" in {family.name for family in text_string_to_metric_families(of_prefect)}


def test_second_up_says_where_the_first_is(running: Running) -> None:
    up, _, _ = running
    refused = up.bench.command("up", "--port", "0", check=2)
    assert f"(PID {up.process.pid}, {up.api.removesuffix('/api')})" in refused.stderr
    assert up.secret in up.bench.command("ui").stdout  # the refused one has removed nothing


def test_lost_terminal_ends_everything_in_order_and_the_next_start_works(running: Running) -> None:
    """Run last: the test ends the process of the module."""
    up, box, close = running
    running_run(up, box)
    family = up.family()
    close()
    assert up.process.wait(240) == 128 + signal.SIGHUP
    assert still_running(family) == set()
    box.faults.clear()
    with contextlib.closing(sqlite3.connect(up.bench.paths.root / "prefect" / "prefect.db")) as db:
        states = {state for (state,) in db.execute("SELECT DISTINCT state_type FROM flow_run")}
    assert states & {"PENDING", "RUNNING"} == set()
    log = (up.bench.paths.root / "prefect" / "logs" / "up.log").read_text("utf-8")
    assert log.splitlines()[-1].endswith("everything is stopped")
    with up_on_terminal(up.bench) as (again, _):
        wait_until(lambda: len(again.runs("full", "COMPLETED")) >= 1, 120, every=0.5)
        again.process.send_signal(signal.SIGHUP)
        assert again.process.wait(240) == 128 + signal.SIGHUP
