"""Two API servers of Prefect, Redis and two workers: each run once, and one API server is killed."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from sandbox.options import Options
from sandbox.server import serve
from tests.support.postgres import PASSWORD, Postgres
from tests.support.prefect_cluster import API_PASSWORD, needs_prefect_cluster, running_prefect_cluster
from tests.support.snapshots import Bench, basket
from tests.support.up import running_up
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("up"), *needs_prefect_cluster]
RUNS = 8
AT_ONCE = 4  # more of them would only share the cores


def test_every_run_is_done_once_while_an_api_server_is_killed(postgres: Postgres, tmp_path: Path) -> None:
    names = [f"basket-{number}" for number in range(RUNS)]
    (tmp_path / "cluster").mkdir()
    with (
        serve(Options(items=300, refresh=0, limits=False)) as box,
        running_prefect_cluster(postgres, tmp_path / "cluster") as cluster,
    ):
        bench = Bench.at(tmp_path / "machine", box, *(basket(name, every="12h") for name in names))
        cluster.post("/work_pools/", name="floorline", type="process", concurrency_limit=AT_ONCE)
        # Each basket has no data: its first run is due at once.
        with running_up(bench, "--workers", "2", **cluster.environment) as up:
            wait_until(lambda: len(cluster.runs("COMPLETED")) >= RUNS // 4, 240, every=0.5)
            wait_until(lambda: bool(cluster.runs("RUNNING")), 60, every=0.1)
            killed, other = cluster.servers
            killed.kill()
            wait_until(lambda: len(cluster.runs("COMPLETED")) >= RUNS, 240, every=0.5)
            runs = cluster.runs("COMPLETED", "FAILED", "CRASHED", "CANCELLED")
            submitted = cluster.post("/logs/filter", logs={"text": {"query": "submitting"}}).json()
            assert other.poll() is None
        output = up.output()
    assert {(run["state_name"], run["run_count"]) for run in runs} == {("Completed", 1)}
    done = bench.query("SELECT basket, count(*) FROM runs WHERE state = 'done' GROUP BY ALL")
    assert dict(done) == dict.fromkeys(names, 1)
    assert len(runs) == RUNS
    assert {log["message"].split()[1] for log in submitted} == {
        f"'floorline-{socket.gethostname()}-worker-{number}'" for number in (1, 2)
    }
    assert PASSWORD not in output
    assert API_PASSWORD not in output
