"""Restart PostgreSQL, and let the object store answer 503 for a minute, while two machines take snapshots."""

from __future__ import annotations

import contextlib
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator

from bench.checks import Checks
from bench.fault_injection.cluster import Cluster, Command, run_command, running_cluster
from bench.fault_injection.observation import Reader, compare_with_file
from tests.support.snapshots import Bench, catalog_of

PROVIDERS = ("steam", "buff163")
RESTARTS, OUTAGE = 3, 60.0


def run(checks: Checks, chance: random.Random) -> None:
    """Break one server after the other, repair all, load the rest, and compare with a file."""
    with running_cluster() as cluster:
        machines = [cluster.machine(name, catalog_of(*PROVIDERS)) for name in ("one", "two")]
        codes = Counter[int]()
        with _snapshots(checks, cluster, machines, codes):
            _wait_for(codes, 2)
            for _ in range(RESTARTS):
                time.sleep(chance.uniform(0, 5))
                down = chance.uniform(0, 5)
                cluster.postgres.stop()
                time.sleep(down)
                cluster.postgres.start()
                checks.log(f"PostgreSQL was restarted, after {down:.1f} s")
                _wait_for(codes, codes.total() + 2)
            after_restarts = Counter(codes)
            cluster.store.begin_outage(OUTAGE)
            checks.log(f"the object store answers 503 for {OUTAGE:.0f} s")
            time.sleep(OUTAGE)
            checks.log("the object store answers again")
            _wait_for(codes, codes.total() + 4)
        checks.log(f"exit codes until the outage of the store: {dict(after_restarts)}; of all: {dict(codes)}")
        checks.check(codes.keys() <= {0, 6}, "no exit code but 0 and 6")
        checks.check(0 < after_restarts[6] < codes[6], "both outages were noticed")
        last = [run_command(machine, "maintain", "load") for machine in machines]
        checks.check(last == [0, 0], f"the last loads end with 0 {last}")
        compare_with_file(checks, machines, cluster.folder / "file")
        reader = Reader(machines[0].paths.published_database)
        reader.read_runs()
        reader.report(checks)


@contextlib.contextmanager
def _snapshots(
    checks: Checks, cluster: Cluster, machines: list[Bench], codes: Counter[int]
) -> Iterator[None]:
    """Take snapshots on each machine, one after the other, until the block ends; count the exit codes."""
    ends = threading.Event()

    def take(machine: Bench) -> None:
        while not ends.is_set():
            cluster.box.move(30)
            snapshot = Command.start(machine, "snapshot", "--quiet")
            code = snapshot.wait()
            codes[code] += 1
            if code:
                checks.log(f"{machine.folder.name}: exit {code}: {snapshot.last_line()[:110]}")

    threads = [threading.Thread(target=take, args=(machine,)) for machine in machines]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        ends.set()
        for thread in threads:
            thread.join()


def _wait_for(codes: Counter[int], total: int) -> None:
    """Wait until so many snapshots have ended."""
    while codes.total() < total:
        time.sleep(0.1)
