"""After kill -9 in the middle of a load, a reader has seen whole runs only, and the next load goes on."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.lakes import postgres_lake, read_views
from tests.support.postgres import Postgres, needs_postgres
from tests.support.warehouse import Quote, create_warehouse, land, minute, observe
from warehouse.database import open_reader, open_writer
from warehouse.lake.location import LakeLocation
from warehouse.landing.reader import read_run
from warehouse.loading.quotes import load_run

pytestmark = [needs_postgres, pytest.mark.server, pytest.mark.slow]
ITEMS, KILLS = 200, 4
LOAD = """
import functools, sys
from pathlib import Path
from tests.support.warehouse import minute
from warehouse.database import open_writer
from warehouse.landing.reader import read_run
from warehouse.lake.location import locate_lake
from warehouse.loading.quotes import load_run
from warehouse.shared import SharedLocation
url, storage, folder, *runs = sys.argv[1:]
lake = locate_lake(SharedLocation(functools.partial(str, url), storage), Path(folder))
with open_writer(lake) as db:
    print("ready", flush=True)
    for run in runs:
        load_run(db, read_run(Path(run)), minute(600))
        print("loaded", flush=True)
"""
RUNS = """
SELECT r.run_id, r.rows_fetched, count(h.item)
FROM runs r LEFT JOIN quote_history h USING (run_id) GROUP BY ALL
"""


def count_whole_runs(lake: LakeLocation) -> int:
    """Return the number of the runs that a reader sees, each of which must have all of its rows."""
    with open_reader(lake) as db:
        rows = db.execute(RUNS).fetchall()
    assert all(fetched == found == ITEMS for _, fetched, found in rows)
    return len(rows)


def test_killed_loads(tmp_path: Path, postgres: Postgres) -> None:
    url = postgres.create_database()
    lake = postgres_lake(url, tmp_path.as_uri(), tmp_path)
    paths = create_warehouse(tmp_path / "file")
    with open_writer(lake):
        pass
    folders = [
        land(paths, f"r{at:02}", observe(minute(at), *(Quote(str(item), 100 + at) for item in range(ITEMS))))
        for at in range(KILLS + 1)
    ]
    looks = 0
    for kill in range(KILLS):
        runs = map(str, folders[: kill + 2])
        with subprocess.Popen(
            [sys.executable, "-c", LOAD, url, tmp_path.as_uri(), str(tmp_path), *runs],
            stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[3],
        ) as process:  # fmt: skip
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            for _ in range(kill + 1):  # those that are loaded already, and one more
                assert process.stdout.readline() == "loaded\n"
            looks += count_whole_runs(lake) >= kill + 1  # while the last landing is loaded
            os.kill(process.pid, signal.SIGKILL)
        assert count_whole_runs(lake) in {kill + 1, kill + 2}
    assert looks == KILLS
    with open_writer(lake) as db, open_writer(paths.writer) as file:
        for folder in folders:
            load_run(db, read_run(folder), minute(600))
            load_run(file, read_run(folder), minute(600))
        assert read_views(db) == read_views(file)
