"""Cut a machine off the network in the middle of its load; another one loads, and the first one comes back.

The machine is a network namespace, which needs root.
"""

from __future__ import annotations

import random
import time

from bench.checks import Checks
from bench.fault_injection.cluster import Command, running_cluster
from bench.fault_injection.loader_kills import PROVIDERS, land_runs, measure_load
from bench.fault_injection.observation import Reader, compare_with_file
from tests.support.namespaces import Machine, network_of
from tests.support.snapshots import Bench, catalog_of
from warehouse.database import open_reader
from warehouse.lake.connection import NAME

CHANGES = "SELECT snapshot_id, changes::VARCHAR FROM ducklake_snapshots(?)"
ROUNDS, LONGEST = 5, 60.0  # seconds until another machine loads


def run(checks: Checks, chance: random.Random) -> None:
    """Cut a loader off several times, and compare the lake with a file at the end."""
    with network_of(1) as network, running_cluster(network.host) as cluster:
        lander = cluster.machine("lander", catalog_of(*PROVIDERS), load=False)
        away, other = (cluster.machine(name, catalog_of(*PROVIDERS)) for name in ("away", "other"))
        seconds = measure_load(cluster, lander, other)
        checks.log(f"a load of two runs holds the lease for {seconds:.1f} s")
        reader, cut = Reader(other.paths.published_database), 0
        while cut < ROUNDS:
            land_runs(cluster, lander)
            delay = chance.uniform(0, seconds)
            cut += _cut_off(checks, network.machines[0], away, other, delay=delay)
            reader.read_runs()
        compare_with_file(checks, [lander], cluster.folder / "file")
        reader.report(checks)


def _cut_off(checks: Checks, machine: Machine, away: Bench, other: Bench, *, delay: float) -> bool:
    """Cut a load off after `delay` seconds of it; return whether it was in the middle of the load.

    Where it had committed its last landing, the other machine finds nothing to load and takes nothing over:
    what the first one writes afterwards, such as a copied alert, is its own.
    """
    load = Command.start(away, "maintain", "load", prefix=machine.prefix)
    load.wait_for_lease(away.paths)
    time.sleep(delay)
    machine.cut_off()
    began = time.monotonic()
    try:
        if not load.is_running:
            checks.log(f"the load had ended {delay:.2f} s after its begin")
            return False
        at_cut = _read_changes(other)
        takeover = Command.start(other, "maintain", "load")
        takeover.wait_for_lease(other.paths)
        begun = time.monotonic() - began
        code, loaded = takeover.wait(), time.monotonic() - began
        before = _read_changes(other)
    finally:
        machine.reconnect()
    back = load.wait()
    if before == at_cut:
        checks.log(f"the last landing was loaded {delay:.2f} s after the begin")
        checks.check(code == 0 and back in {0, 6}, "another machine found nothing to load")
        return False
    checks.log(f"cut off {delay:.2f} s after the begin; back again, it says: {load.last_line()[:110]}")
    checks.check(
        code == 0 and begun <= LONGEST,
        f"another machine began to load {begun:.1f} s after the cut, and had loaded after {loaded:.1f} s",
    )
    after = _read_changes(other)
    late = [after[number] for number in sorted(set(after) - set(before))]
    checks.log(f"back again, the first one commits {late}")
    checks.check(
        not late and back in {0, 6}, f"the first one commits {len(late)} snapshots and ends with {back}"
    )
    return True


def _read_changes(bench: Bench) -> dict[int, str]:
    with open_reader(bench.paths.published_database) as db:
        return dict(db.execute(CHANGES, [NAME]).fetchall())
