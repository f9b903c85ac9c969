"""kill -9 anywhere in a settle: the database opens, holds each run whole or not at all, and goes on."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.warehouse import Quote, home_in, land, load, look, minute, rows
from warehouse.database import open_reader
from warehouse.paths import WarehousePaths

SETTLE = """
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from warehouse.loading.pipeline import load_pending
from warehouse.paths import WarehousePaths
print("ready", flush=True)
load_pending(WarehousePaths(Path(sys.argv[1])), now=lambda: datetime.now(UTC), keep=timedelta(days=1))
print("settled", flush=True)
"""
ROWS, RUNS = 400, 4


def kill_a_settle(home: WarehousePaths, after: float) -> bool:
    """Start a settle in another process and kill it so many seconds on; whether it was still at it."""
    with subprocess.Popen(
        [sys.executable, "-c", SETTLE, str(home.root)],
        stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2],
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        time.sleep(after)
        os.kill(process.pid, signal.SIGKILL)
        return process.stdout.readline() == ""


def check_whole(home: WarehousePaths) -> None:
    """Every run that the database holds brought all of its rows; readers see a whole database or none yet."""
    if home.published.exists():
        with open_reader(home.published) as db:
            changed = db.execute("SELECT rows_fetched FROM runs").fetchall()
            held = db.execute("SELECT run_id, count(*) FROM quote_history GROUP BY run_id").fetchall()
        assert all(fetched == ROWS for (fetched,) in changed)
        assert all(count == ROWS for _, count in held)
        assert len(changed) == len(held)


def kills(folder: Path, moments: list[float]) -> int:
    """Kill a settle at each of these moments, landing more between; how many were hit at work."""
    home, hit = home_in(folder), 0
    for number, after in enumerate(moments):
        for run in range(RUNS):
            at = number * RUNS + run
            quotes = [Quote(str(item), 1000 + at) for item in range(ROWS)]
            land(home, f"r{at:03}", look(minute(at), *quotes))
        hit += kill_a_settle(home, after)
        check_whole(home)
    load(home)
    check_whole(home)
    expected = [(f"r{at:03}", ROWS) for at in range(len(moments) * RUNS)]
    assert rows(home, "SELECT run_id, count(*) FROM quote_history GROUP BY ALL ORDER BY ALL") == expected
    assert rows(home, "SELECT DISTINCT lowest_ask FROM quotes") == [(1000 + len(expected) - 1,)]
    return hit


def test_a_settle_that_is_killed_is_taken_up(tmp_path: Path) -> None:
    assert kills(tmp_path, [0.01, 0.15, 0.4]) > 0


@pytest.mark.slow
def test_twenty_kills(tmp_path: Path) -> None:
    assert kills(tmp_path, [number * 0.05 for number in range(20)]) > 5
