"""A reader beside the loaders, and the comparison of the lake with a file of the same landings."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb

from bench.checks import Checks
from common.errors import FloorlineError
from common.warehouse_errors import NotPublished
from pipelines.loading import parse_raw_rows
from tests.support.lakes import VIEWS
from tests.support.snapshots import Bench
from tests.support.warehouse import create_warehouse
from warehouse.database import open_reader
from warehouse.landing.inventory import DONE, list_landings
from warehouse.loading.pipeline import load_pending
from warehouse.paths import Database, WarehousePaths

# Runs that lack rows or have too many, runs that are there twice, and rows of no run.
HALF_RUNS = """
SELECT r.run_id FROM runs r LEFT JOIN quote_history h USING (run_id)
GROUP BY r.run_id, r.rows_changed HAVING count(h.run_id) <> r.rows_changed
UNION ALL SELECT run_id FROM runs GROUP BY run_id HAVING count(*) > 1
UNION ALL SELECT DISTINCT run_id FROM quote_history h ANTI JOIN runs r USING (run_id)
"""
PAUSE = 0.5  # seconds between two reads, which cost as much as a load of a few rows
MACHINE_VIEWS = {"alerts"}  # what happened on the machines, which no landing says
# When a run was loaded differs between two warehouses.
CONTENT = "SELECT COLUMNS(lambda name: name <> 'loaded_at') FROM {} ORDER BY ALL"


class Reader:
    """A reader beside the loaders: `reads` so far, the half runs that it saw, and its errors."""

    def __init__(self, database: Database) -> None:
        self.reads, self.half_runs, self.errors = 0, set[str](), list[str]()
        self._database = database
        self._ends = threading.Event()

    def read_runs(self) -> None:
        """Open the database anew, and check all runs."""
        try:
            with open_reader(self._database) as db:
                self.half_runs.update(run for (run,) in db.execute(HALF_RUNS).fetchall())
            self.reads += 1
        except NotPublished:
            return
        except FloorlineError as error:
            self.errors.append(str(error))

    @contextmanager
    def beside(self) -> Iterator[None]:
        """Read the runs again and again, in a thread, until the block ends."""
        thread = threading.Thread(target=self._read_until_stopped)
        thread.start()
        try:
            yield
        finally:
            self._ends.set()
            thread.join()

    def report(self, checks: Checks) -> None:
        """Say what it saw."""
        seen = f"{self.reads} reads of a reader saw {len(self.half_runs)} half runs"
        checks.check(not self.half_runs, f"{seen} {sorted(self.half_runs)[:1]}")
        checks.check(not self.errors, f"the reader had no error {self.errors[:1]}")

    def _read_until_stopped(self) -> None:
        while not self._ends.wait(PAUSE):
            self.read_runs()


def compare_with_file(checks: Checks, machines: Sequence[Bench], folder: Path) -> None:
    """Say whether the lake has each landed run once, and equals a file in `folder` of the same landings."""
    lake = machines[0].paths.published_database
    landings = [landing for machine in machines for landing in list_landings(machine.paths.landing)]
    with open_reader(lake) as db:
        runs = [run for (run,) in db.execute("SELECT run_id FROM runs").fetchall()]
    landed = sorted(landing.name for landing in landings)
    checks.check(sorted(runs) == landed, f"the lake has each of {len(landed)} landed runs once")
    different = find_other_views(lake, _load_into_file(folder, landings).published)
    checks.check(not different, f"every view equals that of a file with the same landings {different}")


def _load_into_file(folder: Path, landings: Sequence[Path]) -> WarehousePaths:
    """Load copies of landings into a new file."""
    file = create_warehouse(folder)
    for landing in landings:
        shutil.copytree(landing, file.landing / landing.name, ignore=shutil.ignore_patterns(*DONE))
    now = datetime.now(UTC)
    load_pending(file, now=lambda: now, keep=timedelta(days=1), row_parser=parse_raw_rows)
    return file


def find_other_views(one: Database, other: Database) -> list[str]:
    """Return the public views of the market of which two databases have other rows."""
    with open_reader(one) as first, open_reader(other) as second:
        views = [view for (view,) in first.execute(VIEWS).fetchall() if view not in MACHINE_VIEWS]
        return [view for view in views if _read(first, view) != _read(second, view)]


def _read(db: duckdb.DuckDBPyConnection, view: str) -> list[tuple[Any, ...]]:
    return db.execute(CONTENT.format(view)).fetchall()
