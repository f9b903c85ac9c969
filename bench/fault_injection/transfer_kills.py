"""Kill `floorline migrate` of a million rows of history at random moments, and repeat it.

The copy into the lake is compared with DuckDB's `COPY FROM DATABASE` into another file. The command also
compares all views of both, which takes many times as long.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import partial
from pathlib import Path

import duckdb

from bench.checks import Checks
from bench.fault_injection.cluster import Cluster, Command, running_cluster
from bench.market import START, Move, land_market, load_landing, make_catalogs
from tests.support.shared import Shared
from tests.support.snapshots import Bench, basket
from warehouse.database import open_writer, quote_path
from warehouse.lake.location import LakeLocation
from warehouse.transfer.comparison import Fingerprint, find_differences, fingerprint_views
from warehouse.transfer.lake import copy_into_lake

KILLS, SNAPSHOTS = 10, 3  # of 600,000 quotes, which all move
TIMES = 3.0
MIGRATE = ("migrate", "--yes")


def run(checks: Checks, chance: random.Random) -> None:
    """Time the copies, move the warehouse undisturbed, and move it again, with kills."""
    with running_cluster() as cluster:
        machine = _create(checks, cluster)
        alone, file = machine.config.read_text("utf-8"), machine.paths.published
        originals = fingerprint_views(file)
        in_file = _measure(partial(_copy_into_file, file, cluster.folder / "copy.duckdb"))
        _share_anew(cluster, machine, alone)
        lake = machine.paths.published_database
        assert isinstance(lake, LakeLocation)
        with open_writer(lake):
            pass  # its tables and views, which take as long for a lake without rows
        in_lake = _measure(partial(copy_into_lake, file, lake))
        checks.check(
            in_lake <= TIMES * in_file,
            f"copying takes {in_lake:.1f} CPU seconds into the lake, {in_file:.1f} into another file",
        )
        _share_anew(cluster, machine, alone)
        began = time.monotonic()
        code = Command.start(machine, *MIGRATE).wait()
        seconds = time.monotonic() - began
        checks.check(code == 0, f"the command ends with {code} after {seconds:.1f} s")
        _expect_same(checks, machine, originals)
        killed = 0
        while killed < KILLS:  # a repeated command may have less to do, and end before its kill
            _share_anew(cluster, machine, alone)
            killed += _kill_transfers(checks, machine, KILLS - killed, seconds=seconds, chance=chance)
            _expect_same(checks, machine, originals)
            checks.check(machine.paths.moved.exists(), "the folder is marked as moved")


def _expect_same(checks: Checks, machine: Bench, originals: Mapping[str, Fingerprint]) -> None:
    different = find_differences(originals, fingerprint_views(machine.paths.published_database))
    checks.check(not different, f"{len(originals)} views equal those of the file {different}")


def _create(checks: Checks, cluster: Cluster) -> Bench:
    """Return a machine with a warehouse of its own, whose history is long enough."""
    machine = Bench.at(cluster.folder / "machine", cluster.box, basket())
    machine.prepare()
    for number in range(SNAPSHOTS):
        at = START + timedelta(hours=number)
        catalogs = make_catalogs() if number == 0 else None
        land_market(
            machine.paths, f"run{number}", at, catalogs=catalogs, move=Move(number, float(number > 0))
        )
        load_landing(machine.paths, at)
    rows = machine.changes()
    checks.log(f"{rows:,} rows of history in {machine.paths.published.stat().st_size / 1e6:.0f} MB")
    return machine


def _measure(copy: Callable[[], object]) -> float:
    """Return the CPU seconds of this process, which other work on the machine hardly changes."""
    began = time.process_time()
    copy()
    return time.process_time() - began


def _copy_into_file(source: Path, target: Path) -> None:
    with duckdb.connect() as db:
        db.execute(f"ATTACH {quote_path(source)} AS source (READ_ONLY)")
        db.execute(f"ATTACH {quote_path(target)} AS target")
        db.execute("COPY FROM DATABASE source TO target")


def _share_anew(cluster: Cluster, machine: Bench, alone: str) -> None:
    """Let the machine share an empty database and an empty bucket; it has moved nowhere yet."""
    shared = Shared.create(cluster.postgres, cluster.store)
    os.environ.update(shared.environment)
    machine.paths.moved.unlink(missing_ok=True)
    machine.config.write_text(alone, "utf-8")
    shared.add_to(machine)


def _kill_transfers(
    checks: Checks, machine: Bench, kills: int, *, seconds: float, chance: random.Random
) -> int:
    """Kill the command at random moments, at most `kills` times, and let it end; return how often it died."""
    for killed in range(kills + 1):
        delay = chance.uniform(0, 0.9 * seconds)
        transfer = Command.start(machine, *MIGRATE)
        time.sleep(delay if killed < kills else 0)
        if killed == kills or not transfer.kill():
            break
        checks.log(f"killed after {delay:.1f} s")
    code = transfer.wait()
    checks.check(code == 0, f"after {killed} kills, it ends with {code} {transfer.last_line()[:110]}")
    return killed
