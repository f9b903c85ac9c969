"""The files of a lake, and the S3 requests of a load, over many loads with the maintenance between them.

    python -m bench.lake_growth [--loads 48] [--items 1800] [--share 0.0375]

By default, 7.5% of the quotes change in each load: those that moved, and those that move back. PostgreSQL is
Debian's, on loopback; the object store is moto, whose log has a line for each request. Files and requests
depend on the loads, and hardly on the rows. The command exits with 1 where the lake has more files than the
goal at the end, or its last load needs more requests.
"""

from __future__ import annotations

import argparse
import os
import re
import tempfile
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from bench.checks import Checks
from bench.market import START, Move, land_market, make_catalogs
from tests.support.lakes import postgres_lake
from tests.support.object_store import running_object_store
from tests.support.postgres import running_postgres
from warehouse.database import open_writer
from warehouse.lake.location import LakeLocation
from warehouse.lake.maintenance import count_files, merge_due_files
from warehouse.landing.reader import read_run
from warehouse.loading.quotes import load_run
from warehouse.paths import WarehousePaths

MOST_FILES = 40
MOST_REQUESTS = 1.5  # of the last load, as a multiple of the second one
REQUEST = re.compile(r'"(?:GET|HEAD|PUT|POST|DELETE) /')


@dataclass(frozen=True, slots=True)
class Growth:
    """S3 requests of a load, the files that it left, the files after a merge, and the requests of that."""

    requests: int
    files: int
    files_left: int
    requests_of_merge: int


def count_requests(log: Path) -> int:
    """Return how many requests the object store has answered so far."""
    return len(REQUEST.findall(log.read_text(errors="replace")))


def load_once(lake: LakeLocation, folder: Path, log: Path) -> Growth:
    """Load a landing, and merge files where it is due, as the loader of the queue does."""
    before = count_requests(log)
    with open_writer(lake) as db:
        load_run(db, read_run(folder), START)
        loaded, files = count_requests(log), sum(count_files(db).values())
        merge_due_files(db)
        left = sum(count_files(db).values())
    return Growth(loaded - before, files, left, count_requests(log) - loaded)


def grow(paths: WarehousePaths, lake: LakeLocation, log: Path, options: argparse.Namespace) -> list[Growth]:
    """Load a market again and again; print a line for each load."""
    loads: list[Growth] = []
    for number in range(options.loads):
        land_market(
            paths,
            f"r{number:03}",
            START + timedelta(minutes=5 * number),
            catalogs=None if number else make_catalogs(),
            move=Move(number, options.share if number else 0),
            items=options.items,
        )
        loads.append(load_once(lake, paths.landing / f"r{number:03}", log))
        last = loads[-1]
        merge = f", {last.files_left} after a merge ({last.requests_of_merge} requests)"
        print(
            f"load {number + 1}: {last.requests} requests, {last.files} files"
            f"{merge if last.files_left != last.files else ''}",
            flush=True,
        )
    return loads


def main() -> None:
    """Print a line for each load, and two claims."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--loads", type=int, default=48)
    parser.add_argument("--items", type=int, default=1800)
    parser.add_argument("--share", type=float, default=0.0375)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        log = Path(name) / "requests.log"
        with running_postgres() as postgres, running_object_store(log=log) as store:
            os.environ.update(store.environment)
            paths = WarehousePaths(Path(name) / "file")
            paths.prepare()
            url = postgres.create_database()
            lake = postgres_lake(url, store.create_bucket(), Path(name), store.endpoint)
            loads = grow(paths, lake, log, options)
    checks, files, ratio = Checks(), loads[-1].files_left, loads[-1].requests / loads[1].requests
    most = max(load.requests for load in loads[1:])
    checks.check(files <= MOST_FILES, f"{files} files after {len(loads)} loads; at most {MOST_FILES}")
    checks.check(
        ratio <= MOST_REQUESTS,
        f"{loads[-1].requests} requests of the last load, {ratio:.2f}x those of the second"
        f" ({loads[1].requests}); at most {MOST_REQUESTS}x; {most} of the load with most",
    )
    checks.exit()


if __name__ == "__main__":
    main()
