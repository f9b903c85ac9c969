"""Kill a loader at random moments of its loads into a lake, with a reader beside it."""

from __future__ import annotations

import random
import time

from bench.checks import Checks
from bench.fault_injection.cluster import Cluster, Command, run_command, running_cluster
from bench.fault_injection.observation import Reader, compare_with_file
from tests.support.snapshots import Bench, catalog_of
from warehouse.landing.queue import LandingQueue

KILLS = 20
PROVIDERS = ("steam", "buff163", "csfloat", "skinport")


def run(checks: Checks, chance: random.Random) -> None:
    """Land two runs, kill their loader, and so on; then load the rest, and compare with a file."""
    with running_cluster(items=100) as cluster:
        lander = cluster.machine("lander", catalog_of(*PROVIDERS), load=False)
        loader = cluster.machine("loader", catalog_of(*PROVIDERS))
        seconds = measure_load(cluster, lander, loader)
        checks.log(f"a load of two runs holds the lease for {seconds:.1f} s")
        reader, kills = Reader(loader.paths.published_database), 0
        with reader.beside():
            while kills < KILLS:
                land_runs(cluster, lander)
                delay = chance.uniform(0, seconds)
                if was_killed := _kill_load(loader, delay):
                    kills += 1
                checks.log(f"load {'killed' if was_killed else 'ended before'} {delay:.2f} s after its begin")
            code = run_command(loader, "maintain", "load")
            shared = loader.paths.shared
            assert shared is not None
            if refused := LandingQueue(shared).list_set_aside():
                checks.log(
                    f"{len(refused)} landings were set aside, because their loads were killed too often"
                )
                code = run_command(loader, "maintain", "retry")
        reader.read_runs()
        compare_with_file(checks, [lander], cluster.folder / "file")
        checks.check(code == 0, f"the last load ends with {code}")
        reader.report(checks)


def land_runs(cluster: Cluster, lander: Bench) -> None:
    """Let a machine land and upload two runs."""
    for _ in range(2):
        cluster.box.move(60)
        lander.snapshot()


def measure_load(cluster: Cluster, lander: Bench, loader: Bench) -> float:
    """Return how long the second load, the first of an existing lake, holds the lease."""
    seconds = 0.0
    for _ in range(2):
        land_runs(cluster, lander)
        load = Command.start(loader, "maintain", "load")
        load.wait_for_lease(loader.paths)
        began = time.monotonic()
        assert load.wait() == 0, load.last_line()
        seconds = time.monotonic() - began
    return seconds


def _kill_load(loader: Bench, delay: float) -> bool:
    """Kill a load so many seconds after it got the lease; return whether it was still running."""
    load = Command.start(loader, "maintain", "load")
    load.wait_for_lease(loader.paths)
    time.sleep(delay)
    return load.kill()
