"""Show that many runs of two machines are each done once, while processes are killed in the middle.

    python -m bench.cluster [--runs 20] [--sources 10]

Eight workers on two machines take twenty flow runs, each of ten sources. The machines are network
namespaces, each with files, a host name and a loopback of its own. They share PostgreSQL, an S3 server
(moto), and Prefect on PostgreSQL and Redis, with two API servers behind nginx. In the middle, an API server,
a worker with its runs, and a loader are killed with -9. At the end, each landing is in the lake once, every
public view of the lake is that of a file which loaded the same landings, and nothing that was written has the
password of PostgreSQL, the secret key of S3 or a key of the price API. The script needs root, PostgreSQL,
Redis and nginx.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from bench.checks import Checks
from bench.cluster.equality import check_equality, check_landings
from bench.cluster.kills import kill_in_the_middle, wait_for_all
from bench.cluster.leaks import check_command_lines, check_leaks
from bench.cluster.machines import MAX_SOURCES, WORKERS, Cluster, running_cluster
from sandbox.options import Options
from sandbox.server import spawn
from tests.support.namespaces import can_create_namespaces
from tests.support.up import Record

AT_ONCE = 2 * WORKERS


def main() -> None:
    """Run everything, print what holds, and exit with 1 where something does not."""
    parser = argparse.ArgumentParser(description="Show that runs of two machines are each done once.")
    parser.add_argument("--runs", type=int, default=20, help="flow runs")
    parser.add_argument(
        "--sources", type=int, default=10, choices=range(1, MAX_SOURCES + 1), help="of each run"
    )
    size = parser.parse_args()
    if not can_create_namespaces():
        sys.exit("this needs root, to create network namespaces")
    began, checks = time.monotonic(), Checks()
    with (
        tempfile.TemporaryDirectory(prefix="floorline-cluster-") as name,
        spawn(Options(items=300, refresh=0, limits=False, tier="quant")) as api,
        running_cluster(Path(name), api, runs=size.runs, sources=size.sources) as cluster,
    ):
        runs, lost = _take_runs(checks, cluster)
        seconds, load = time.monotonic() - began, os.getloadavg()[0]
        print(f"all runs ended after {seconds:.0f} s; load {load:.1f}", flush=True)
        for home in cluster.homes:  # what a killed run landed goes up with the next command
            home.command("maintain", "load")
        _check_runs(checks, cluster, runs, lost)
        check_landings(checks, cluster.homes)
        check_equality(checks, cluster.homes, Path(name) / "file")
        check_leaks(checks, cluster)
    print(f"took {time.monotonic() - began:.0f} s")
    checks.exit()


def _take_runs(checks: Checks, cluster: Cluster) -> tuple[list[Record], set[str]]:
    """Take the runs on both machines; return all of them, and the ids of those that lost their process."""
    cluster.prefect.post("/work_pools/", name="floorline", type="process", concurrency_limit=0)
    with contextlib.ExitStack() as stack:
        ups = [stack.enter_context(home.up()) for home in cluster.homes]
        cluster.prefect.send("PATCH", "/work_pools/floorline", concurrency_limit=AT_ONCE)  # both are ready
        lost = kill_in_the_middle(cluster, ups)
        check_command_lines(checks)
        return wait_for_all(cluster), lost


def _check_runs(checks: Checks, cluster: Cluster, runs: list[Record], lost: set[str]) -> None:
    states = Counter(run["state_name"] for run in runs)
    print(f"flow runs: {dict(states)}")
    for run in runs:
        if run["state_name"] != "Completed":
            print(f"  {run['name']}: {run['state_name']}: {run['state']['message']}")
    ids = {run["id"] for run in runs if run["state_type"] == "CRASHED"}
    checks.check(
        ids == lost, f"the {len(lost)} runs whose process was killed are marked as crashed, no other one"
    )
    completed = Counter(run["deployment_id"] for run in runs if run["state_name"] == "Completed")
    once = len(completed) == cluster.runs and set(completed.values()) == {1}
    checks.check(
        once, f"{completed.total()} runs of {cluster.sources} sources are completed, one of each deployment"
    )
    again = {run["run_count"] for run in runs}
    # One that lost its process while it was started never ran.
    checks.check(again <= {0, 1}, f"no run was started twice by Prefect: {again}")


if __name__ == "__main__":
    main()
