"""After kill -9 during a load, the database opens, has all or no rows of each run, and loads the rest."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.warehouse import DAY, Quote, create_warehouse, land, minute, observe, query_rows
from warehouse.database import open_reader
from warehouse.loading.pipeline import load_pending
from warehouse.paths import WarehousePaths

pytestmark = pytest.mark.file_warehouse("looks at the published file; lake/test_kills.py is for a lake")

LOAD = """
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from warehouse.loading.pipeline import load_pending
from warehouse.loading.pipeline import load_pending
from warehouse.paths import WarehousePaths
print("ready", flush=True)
load_pending(WarehousePaths(Path(sys.argv[1])), now=lambda: datetime.now(UTC), keep=timedelta(days=1))
print("loaded", flush=True)
"""
ROWS, RUNS = 400, 4


def kill_a_load(paths: WarehousePaths, after: float) -> bool:
    """Start a load in another process and kill it after so many seconds; return whether it still ran."""
    with subprocess.Popen(
        [sys.executable, "-c", LOAD, str(paths.root)],
        stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2],
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        time.sleep(after)
        os.kill(process.pid, signal.SIGKILL)
        return process.stdout.readline() == ""


def check_runs_are_complete(paths: WarehousePaths) -> None:
    """Check that every published run has all of its rows; there may be no published database yet."""
    if paths.published.exists():
        with open_reader(paths.published) as db:
            fetched = db.execute("SELECT rows_fetched FROM runs").fetchall()
            stored = db.execute("SELECT run_id, count(*) FROM quote_history GROUP BY run_id").fetchall()
        assert all(count == ROWS for (count,) in fetched)
        assert all(count == ROWS for _, count in stored)
        assert len(fetched) == len(stored)


def kill_loads(folder: Path, delays: list[float]) -> int:
    """Kill a load after each of these delays, with new runs for each; return how many were still running."""
    paths, interrupted = create_warehouse(folder), 0
    for number, after in enumerate(delays):
        for run in range(RUNS):
            at = number * RUNS + run
            quotes = [Quote(str(item), 1000 + at) for item in range(ROWS)]
            land(paths, f"r{at:03}", observe(minute(at), *quotes))
        interrupted += kill_a_load(paths, after)
        check_runs_are_complete(paths)
    load_pending(paths, now=lambda: minute(600), keep=365 * DAY, wait=60)
    check_runs_are_complete(paths)
    expected = [(f"r{at:03}", ROWS) for at in range(len(delays) * RUNS)]
    assert (
        query_rows(paths, "SELECT run_id, count(*) FROM quote_history GROUP BY ALL ORDER BY ALL") == expected
    )
    assert query_rows(paths, "SELECT DISTINCT lowest_ask FROM quotes") == [(1000 + len(expected) - 1,)]
    return interrupted


@pytest.mark.slow
def test_killed_load_is_continued_by_the_next_one(tmp_path: Path) -> None:
    assert kill_loads(tmp_path, [0.01, 0.15, 0.4]) > 0


@pytest.mark.slow
def test_twenty_killed_loads(tmp_path: Path) -> None:
    assert kill_loads(tmp_path, [number * 0.05 for number in range(20)]) > 5
