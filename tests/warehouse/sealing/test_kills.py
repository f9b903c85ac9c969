"""After kill -9 at any moment of a seal, a reopening, a compaction or a publish, the views show the same."""

import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.sealed_months import create_four_months, see
from warehouse.database import open_reader, open_writer
from warehouse.maintenance.verification import verify
from warehouse.publish import publish

pytestmark = pytest.mark.file_warehouse("kills the compaction of the database's file")

# For each line of its input, a job and a share of the time that the job takes, starts the job in a process of
# its own and kills this process then. A process that has imported all starts the jobs.
KILLER = """
import os, signal, sys, time
from pathlib import Path
from tests.support.sealed_months import LATER
from tests.support.warehouse import minute
from warehouse.database import open_writer
from warehouse.maintenance.compaction import compact
from warehouse.maintenance.sealing import seal
from warehouse.paths import WarehousePaths
from warehouse.publish import publish
from warehouse.sealing.months import reopen_months

paths = WarehousePaths(Path(sys.argv[1]))

def reopen():
    with open_writer(paths.writer) as db:
        reopen_months(db, minute(0))
    publish(paths)

def shrink():
    compact(paths.writer)
    publish(paths)

JOBS = {"seal": lambda: seal(paths, LATER), "reopen": reopen, "compact": shrink}
lengths = {}
for line in sys.stdin:
    job, share = line.split()
    started = time.monotonic()
    child = os.fork()
    if not child:
        JOBS[job]()
        os._exit(0)
    if job in lengths:
        time.sleep(float(share) * lengths[job])
        os.kill(child, signal.SIGKILL)
    killed = os.WIFSIGNALED(os.waitpid(child, 0)[1])
    if not killed:  # the machine may be faster now than it was at the last measurement
        lengths[job] = min(time.monotonic() - started, lengths.get(job, 3600))
    print("killed" if killed else "done", flush=True)
"""
KILLS = 30


@pytest.mark.slow
def test_warehouse_that_is_killed_at_any_moment_loses_nothing(tmp_path: Path) -> None:
    paths, chance = create_four_months(tmp_path / "warehouse"), random.Random(3)
    publish(paths)
    with open_reader(paths.published) as db:
        expected = see(db)
    killed = 0
    with subprocess.Popen(
        [sys.executable, "-c", KILLER, str(paths.root)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[3],
    ) as killer:  # fmt: skip
        assert killer.stdin is not None
        assert killer.stdout is not None
        for number in range(4 * KILLS):
            job = ("seal", "compact", "reopen")[number % 3]
            killer.stdin.write(f"{job} {chance.random()}\n")
            killer.stdin.flush()
            killed += killer.stdout.readline() == "killed\n"
            with open_reader(paths.published) as db:
                assert see(db) == expected, (number, job)
            with open_writer(paths.writer) as db:
                assert see(db) == expected, (number, job)
            if killed == KILLS:
                break
        killer.stdin.close()
    assert killed == KILLS
    assert verify(paths).problems == ()
    shutil.rmtree(paths.root)
