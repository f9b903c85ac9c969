"""Kill a snapshot at many times: the database opens, runs are complete or absent, no page repeats."""

import random
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from sandbox.core import Sandbox
from sandbox.market.providers import KEYS
from tests.support.sandboxes import MakeSandbox
from tests.support.snapshots import FLOORLINE, Bench, catalog_of, clean_env, ledger, price_requests
from warehouse.landing.inventory import list_landings
from warehouse.landing.reader import read_run

pytestmark = pytest.mark.slow
FEW_PROVIDERS = ("steam", "buff163", "csfloat", "skinport")
# Enough pages for a worker process that lands them.
MANY_PROVIDERS = KEYS[:25]
KILLS_DURING_FETCH = 6
KEPT_LANDINGS = 4


def run_and_kill(bench: Bench, is_due: Callable[[], bool]) -> bool:
    """Start a snapshot and kill it as soon as `is_due`; return whether it was still running."""
    run = subprocess.Popen(
        [FLOORLINE, "snapshot", "--config", str(bench.config)],
        env=clean_env(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while run.poll() is None and not is_due():
        time.sleep(0.002)
    run.kill()
    return run.wait() == -9


def landed_pages(bench: Bench) -> set[tuple[str, int]]:
    """Return the pages (provider, offset) of the newest landing."""
    runs = (read_run(folder) for folder in list_landings(bench.paths.landing))
    newest = max(runs, key=lambda run: run.header.started_at)
    typed = {(shard.header.providers[0], meta.offset) for shard in newest.shards for _, meta in shard.pages}
    raw = {
        (shard.header.providers[0], meta.offset) for shard in newest.raw_shards for meta, _ in shard.chunks()
    }
    return typed | raw


def requested_pages(box: Sandbox, since: int) -> set[tuple[str, int]]:
    """Return the requested pages (provider, offset)."""
    queries = [
        dict(part.split("=") for part in entry.query.split("&")) for entry in price_requests(box, since)
    ]
    return {(query["providers"], int(query["offset"])) for query in queries}


def check_runs_are_complete(bench: Bench) -> None:
    """Check that every run in the database has all of its rows."""
    incomplete = bench.query(
        "SELECT r.run_id, r.rows_changed, count(h.run_id) FROM runs r"
        " LEFT JOIN quote_history h USING (run_id) GROUP BY ALL HAVING r.rows_changed <> count(h.run_id)"
    )
    assert incomplete == []


def kill_condition(
    kill: int, bench: Bench, box: Sandbox, *, pages: int, since: int, load_time: float
) -> Callable[[], bool]:
    """Return a condition: for the first kills a number of requests, for the others a time after the fetch."""
    if kill < KILLS_DURING_FETCH:
        return lambda: len(price_requests(box, since)) >= pages * kill + 1
    delay = random.Random(kill).uniform(0, load_time)
    is_fetched = fetch_condition(bench)
    ended: list[float] = []

    def is_due() -> bool:
        if not ended and is_fetched():
            ended.append(time.monotonic())
        return bool(ended) and time.monotonic() - ended[0] >= delay

    return is_due


def fetch_condition(bench: Bench) -> Callable[[], bool]:
    """Return a condition: a landing is complete that does not exist yet."""
    before = {folder.name for folder in list_landings(bench.paths.landing)}

    def is_fetched() -> bool:
        new = [folder for folder in list_landings(bench.paths.landing) if folder.name not in before]
        return any((folder / "done.json").exists() for folder in new)

    return is_fetched


def measure_load_time(bench: Bench) -> float:
    """Return the seconds from the end of the fetch to the end of a snapshot's process."""
    is_fetched, fetched_at = fetch_condition(bench), 0.0

    def never() -> bool:
        nonlocal fetched_at
        fetched_at = fetched_at or (time.monotonic() if is_fetched() else 0.0)
        return False

    assert not run_and_kill(bench, never)
    return time.monotonic() - fetched_at


def kill_a_snapshot(bench: Bench, box: Sandbox, kill: int, *, pages: int, load_time: float) -> bool:
    """Kill a snapshot of a market that moved; where it ended first, another one, sooner after the fetch."""
    box.faults.clear()
    box.fault("latency", seconds=0.02, times=None)
    for attempt in range(4):
        box.move(30)
        since, sooner = len(box.requests.since(0)), load_time / 2**attempt
        condition = kill_condition(kill, bench, box, pages=pages, since=since, load_time=sooner)
        if run_and_kill(bench, condition):
            return True
    return False


def prune(bench: Bench) -> None:
    """Delete all landings but the newest ones, as snapshots do after a day.

    A killed load comes late, and a late load reads the pages of the landings that are there.
    """
    for folder in list_landings(bench.paths.landing)[:-KEPT_LANDINGS]:
        shutil.rmtree(folder)


@pytest.mark.parametrize(
    ("providers", "items", "kills", "pages"),
    [(FEW_PROVIDERS, 800, 12, 2), (MANY_PROVIDERS, 2000, 6, 20)],
    ids=["short", "long"],
)
def test_kill_loses_no_row_and_repeats_no_page(
    make_sandbox: MakeSandbox, tmp_path: Path, providers: tuple[str, ...], items: int, kills: int, pages: int
) -> None:
    box = make_sandbox(items=items, tier="free")
    bench = Bench.at(tmp_path, box, catalog_of(*providers))
    bench.snapshot()
    box.move(30)
    load_time = measure_load_time(bench)
    for kill in range(kills):
        assert kill_a_snapshot(bench, box, kill, pages=pages, load_time=0.8 * load_time), kill
        landed = landed_pages(bench)
        check_runs_are_complete(bench)
        since = len(box.requests.since(0))
        (result,) = bench.snapshot()
        assert result.state == "done"
        if kill < KILLS_DURING_FETCH:
            assert landed.isdisjoint(requested_pages(box, since))
        check_runs_are_complete(bench)
        assert bench.quotes() == ledger(box, providers)
        prune(bench)
