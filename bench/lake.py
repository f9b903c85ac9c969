"""A lake beside a file: loads of one market, the quotes of one item, PostgreSQL's statements, S3's requests.

    python -m bench.lake [--loads 4] [--share 0.0375]

Each landing is loaded into both, in turn, in one process: the first one is everything, the others change
7.5% of the quotes, those that moved and those that move back. PostgreSQL is Debian's, on loopback; the object
store is moto: its time counts, too. The command exits with 1 where a claim at its end does not hold.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import tempfile
import time
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import NamedTuple

import duckdb
import psycopg

from bench.checks import Checks
from bench.market import START, Move, land_market, make_catalogs
from tests.support.lakes import count_snapshots, postgres_lake
from tests.support.object_store import running_object_store
from tests.support.postgres import running_postgres
from warehouse.database import open_reader, open_writer
from warehouse.lake.location import LakeLocation
from warehouse.landing.reader import read_run
from warehouse.loading.quotes import load_run
from warehouse.paths import WarehousePaths
from warehouse.publish import publish

ITEM = "SELECT item FROM quotes GROUP BY item ORDER BY count(*) DESC, item LIMIT 1"
MOST_TIME, MOST_STATEMENTS, MOST_SECONDS = 2.0, 400, 0.25
QUOTES = "SELECT provider, price, quantity, fresh FROM quotes WHERE item = ?"


class Load(NamedTuple):
    """A load into the lake: its times as multiples of those of the file, its statements and snapshots."""

    time: float
    cpu: float
    statements: int
    snapshots: int


def check(loads: list[Load], question: float) -> None:
    """Print what must hold of the loads after the first one and of the question, and whether it does."""
    checks, later = Checks(), loads[1:]
    time, cpu = (statistics.median(values) for values in ([x.time for x in later], [x.cpu for x in later]))
    checks.check(time <= MOST_TIME, f"a lake load takes {time:.2f}x the file's time; at most {MOST_TIME:g}x")
    print(f"        and {cpu:.2f}x its CPU time")
    most = max(load.statements for load in later)
    checks.check(
        most <= MOST_STATEMENTS, f"{most} statements of PostgreSQL a load; at most {MOST_STATEMENTS}"
    )
    checks.check(all(load.snapshots == 1 for load in loads), "one snapshot a load")
    checks.check(
        question <= MOST_SECONDS,
        f"{question * 1000:.0f} ms for the quotes of one item; at most {MOST_SECONDS * 1000:.0f} ms",
    )
    checks.exit()


def measure(step: Callable[[], object]) -> tuple[float, float]:
    """Return the seconds and the CPU seconds of this process that a step takes."""
    start, usage = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF)
    step()
    after = resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - usage.ru_utime - usage.ru_stime
    return time.perf_counter() - start, cpu


def count_statements(log: Path) -> int:
    """Return how many statements PostgreSQL has executed so far."""
    text = log.read_text(errors="replace")
    return text.count("LOG:  statement:") + text.count("LOG:  execute")


def median_of_questions(db: duckdb.DuckDBPyConnection, item: str) -> float:
    """Return the median seconds of the quotes of one item, after a first question."""
    times = [measure(lambda: db.execute(QUOTES, [item]).fetchall())[0] for _ in range(8)]
    return statistics.median(times[1:])


def load_file(paths: WarehousePaths, folder: Path) -> None:
    """Load a landing into the file, and publish it."""
    with open_writer(paths.writer) as db:
        load_run(db, read_run(folder), START)
    publish(paths)


def load_lake(lake: LakeLocation, folder: Path) -> None:
    """Load a landing into the lake."""
    with open_writer(lake) as db:
        load_run(db, read_run(folder), START)


def compare(
    loads: int, share: float, *, folder: Path, lake: LakeLocation, log: Path
) -> tuple[list[Load], float]:
    """Load the same landings into a file and the lake, and ask both; print what each took.

    Return the loads, and the seconds of a question to the lake.
    """
    paths = WarehousePaths(folder / "file")
    paths.prepare()
    with open_writer(lake):
        pass
    compared: list[Load] = []
    for number in range(loads):
        catalogs = make_catalogs() if number == 0 else None
        moment = START + timedelta(minutes=5 * number)
        land_market(paths, f"r{number}", moment, catalogs=catalogs, move=Move(number, share if number else 0))
        landing = paths.landing / f"r{number}"
        in_file = measure(partial(load_file, paths, landing))
        with open_reader(lake) as db:
            snapshots = count_snapshots(db)
        statements = count_statements(log)
        in_lake = measure(partial(load_lake, lake, landing))
        statements = count_statements(log) - statements
        with open_reader(lake) as db:
            snapshots = count_snapshots(db) - snapshots
        compared.append(Load(in_lake[0] / in_file[0], in_lake[1] / in_file[1], statements, snapshots))
        print(
            f"load {number}: file {in_file[0]:.2f} s, cpu {in_file[1]:.2f}; lake {in_lake[0]:.2f} s,"
            f" cpu {in_lake[1]:.2f}; {statements} statements, {snapshots} snapshot(s)",
            flush=True,
        )
    with open_reader(lake) as shared, open_reader(paths.published) as file:
        ((item,),) = file.execute(ITEM).fetchall()
        of_lake, of_file = median_of_questions(shared, item), median_of_questions(file, item)
    print(f"quotes of one item: file {of_file * 1000:.0f} ms, lake {of_lake * 1000:.0f} ms")
    return compared, of_lake


def main() -> None:
    """Print a line for each load, one for the questions, and the claims."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--loads", type=int, default=4)
    parser.add_argument("--share", type=float, default=0.0375)
    options = parser.parse_args()
    with (
        running_postgres() as postgres,
        running_object_store() as store,
        tempfile.TemporaryDirectory() as name,
    ):
        os.environ.update(store.environment)
        url = postgres.create_database()
        with psycopg.connect(postgres.url(), autocommit=True) as db:
            db.execute("ALTER SYSTEM SET log_statement = 'all'")
            db.execute("SELECT pg_reload_conf()")
        lake = postgres_lake(url, store.create_bucket(), Path(name), store.endpoint)
        log = postgres.folder / "log"
        compared, question = compare(options.loads, options.share, folder=Path(name), lake=lake, log=log)
    check(compared, question)


if __name__ == "__main__":
    main()
