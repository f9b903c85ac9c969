"""Load the landings of all machines into a file, and compare the file with the lake."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import obstore

from bench.checks import Checks
from bench.cluster.machines import Home
from pipelines.loading import parse_raw_rows
from tests.support.warehouse import create_warehouse
from warehouse.database import open_writer
from warehouse.landing.inventory import list_landings
from warehouse.landing.object_store import open_object_store
from warehouse.landing.queue import NAME, LandingQueue
from warehouse.landing.reader import read_run
from warehouse.loading.alert_copy import copy_alerts
from warehouse.loading.quotes import load_run
from warehouse.queries.runner import run_query
from warehouse.state.alerts import AlertStore
from warehouse.state.database import open_state
from warehouse.transfer.comparison import find_differences, fingerprint_views

# In the order of the lake's loads, and at their moments: what a late landing says depends on what was before.
LOADS = "SELECT run_id, loaded_at FROM runs ORDER BY loaded_at"


def check_landings(checks: Checks, homes: Sequence[Home]) -> None:
    """Check that the lake holds each landing of the machines once."""
    paths = homes[0].paths
    shared = paths.shared
    assert shared is not None
    queue = LandingQueue(shared)
    landed = {folder.name for home in homes for folder in _landings(home)}
    runs = Counter(str(run) for (run,) in run_query(paths, "SELECT run_id FROM runs").rows)
    listing = obstore.list(open_object_store(shared), "loaded")
    names = (NAME.search(meta["path"]) for part in listing for meta in part)
    kept = Counter(name["run_id"] for name in names if name is not None)
    waiting, unreadable = len(queue.list_waiting()), len(queue.list_set_aside())
    once = set(runs.values()) == {1} and runs.keys() == landed
    checks.check(once, f"{len(landed)} landings of both machines, {runs.total()} runs in the lake, each once")
    checks.check(kept == runs, f"{kept.total()} landings in the bucket, each once, and each in the lake")
    checks.check(not waiting + unreadable, f"{waiting} landings wait, {unreadable} are unreadable")


def check_equality(checks: Checks, homes: Sequence[Home], folder: Path) -> None:
    """Check that every public view of the lake is that of a file which loads the same landings."""
    lake = homes[0].paths
    folders = {folder.name: folder for home in homes for folder in _landings(home)}
    file = create_warehouse(folder)
    with open_writer(file.writer) as db:
        for run_id, loaded_at in run_query(lake, LOADS).rows:
            load_run(db, read_run(folders[run_id]), loaded_at, row_parser=parse_raw_rows)
        copy_alerts(db, AlertStore(open_state(lake)))
    views = fingerprint_views(file.writer)
    filled = sum(count > 0 for count, _, _ in views.values())
    different = find_differences(views, fingerprint_views(lake.published_database))
    text = f"{len(views)} public views are equal in the lake and in a file ({filled} have rows)"
    checks.check(not different, f"{text}; different: {', '.join(different) or 'none'}")


def _landings(home: Home) -> list[Path]:
    return list_landings(home.paths.landing)
