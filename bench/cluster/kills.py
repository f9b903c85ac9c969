"""Kill an API server, a worker and a loader with -9, and wait until all runs have ended."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from bench.cluster.machines import Cluster
from common.warehouse_errors import WarehouseError
from tests.support.up import Record, RunningUp, descendants
from warehouse.lease import WRITER, lease_holder

PATIENCE = 1800.0  # seconds of each step, on a busy machine
POLL = 0.5
AT_SIGHT = 0.05  # a load of a few landings takes a second
FLOW_RUN = b"PREFECT__FLOW_RUN_ID="
BEGUN = ("PENDING", "RUNNING", "CANCELLING")
ENDED = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")
T = TypeVar("T")


def kill_in_the_middle(cluster: Cluster, ups: list[RunningUp]) -> set[str]:
    """Kill one process of each kind; return the ids of the flow runs that lost their process."""
    lost = _wait_for("a loader", lambda: _kill_loader(cluster), poll=AT_SIGHT)
    print("killed the loader, a run that held the lease", flush=True)
    cluster.prefect.servers[0].kill()
    print("killed an API server", flush=True)
    worker, runs = _wait_for("a worker with a run", lambda: _find_worker(ups[1]))
    for pid in (worker, *runs):
        os.kill(pid, signal.SIGKILL)
    print(f"killed a worker of the second machine with {len(runs)} runs", flush=True)
    return {lost, *runs.values()}


def wait_for_all(cluster: Cluster) -> list[Record]:
    """Wait until each deployment has a completed run, and none is under way; return all runs.

    The deployments of runs that were lost run again, as by their schedules. Raises RuntimeError for a run
    that failed.
    """
    prefect = cluster.prefect

    def done() -> bool:
        ended = prefect.runs(*ENDED)
        for run in ended:
            if run["state_type"] == "FAILED":
                raise RuntimeError(f"{run['name']}: {run['state']['message']}")
        completed = {run["deployment_id"] for run in ended if run["state_type"] == "COMPLETED"}
        for run in ended:
            if run["state_type"] == "CRASHED" and run["deployment_id"] not in completed:
                path = f"/deployments/{run['deployment_id']}/create_flow_run"
                prefect.post(path, idempotency_key=run["id"])  # once for each run that was lost
        return len(completed) == cluster.runs and not prefect.runs(*BEGUN)

    _wait_for("the end of all runs", done)
    return prefect.runs(*ENDED)


def _kill_loader(cluster: Cluster) -> str | None:
    """Kill the run that holds the lease, and return its id; None where no run holds the lease."""
    holder = lease_holder(cluster.homes[0].paths, WRITER)
    if (pid := re.match(r"PID (\d+) ", holder or "")) is None:
        return None
    run = _find_flow_run(int(pid[1]))
    if run is not None:
        os.kill(int(pid[1]), signal.SIGKILL)
    return run


def _find_worker(up: RunningUp) -> tuple[int, Mapping[int, str]] | None:
    """Return a worker of a machine that has runs under way, and the ids of these by their processes."""
    for worker in up.children("worker start"):
        runs = {pid: run for pid in descendants(worker) if (run := _find_flow_run(pid)) is not None}
        if runs:
            return worker, runs
    return None


def _find_flow_run(pid: int) -> str | None:
    """Return the id of the flow run that a process does: Prefect writes the id into its environment."""
    environment = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    return next((line[len(FLOW_RUN) :].decode() for line in environment if line.startswith(FLOW_RUN)), None)


def _wait_for(what: str, find: Callable[[], T | None], poll: float = POLL) -> T:
    """Return what `find` returns, once that is something. Raises RuntimeError after a long time."""
    deadline = time.monotonic() + PATIENCE
    while True:
        with contextlib.suppress(WarehouseError, OSError):  # busy, or ended meanwhile
            if found := find():
                return found
        if time.monotonic() > deadline:
            raise RuntimeError(f"waited {PATIENCE:.0f} s in vain for {what}")
        time.sleep(poll)
