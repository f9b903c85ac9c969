"""kill -9 at twenty moments of a run: the database opens, runs are whole or absent, no page is paid twice."""

import random
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from sandbox.core import Sandbox
from sandbox.market.providers import KEYS
from tests.support.sandboxes import MakeSandbox
from tests.support.snapshots import FLOORLINE, Bench, catalog_of, clean_env, ledger, priced
from warehouse.landing.reader import list_landings, read_run

pytestmark = pytest.mark.slow
PROVIDERS = ("steam", "buff163", "csfloat", "skinport")
# Their pages are so many that they are landed by a process of its own.
MANY = KEYS[:25]


def killed(bench: Bench, ripe: Callable[[], bool]) -> bool:
    """Start a snapshot and kill it as soon as `ripe`; whether it was still running."""
    run = subprocess.Popen(
        [FLOORLINE, "snapshot", "--config", str(bench.config)],
        env=clean_env(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while run.poll() is None and not ripe():
        time.sleep(0.002)
    run.kill()
    return run.wait() == -9


def landed_pages(bench: Bench) -> set[tuple[str, int]]:
    """The (provider, offset) pages that the newest landing holds."""
    run = max(
        (read_run(folder) for folder in list_landings(bench.home.landing)), key=lambda r: r.header.started_at
    )
    pages = {(s.header.providers[0], mark.offset) for s in run.shards for _, mark in s.pages}
    return pages | {(s.header.providers[0], mark.offset) for s in run.raw_shards for mark, _ in s.chunks()}


def asked_pages(box: Sandbox, since: int) -> set[tuple[str, int]]:
    """The (provider, offset) pages that were asked for."""
    queries = [dict(part.split("=") for part in e.query.split("&")) for e in priced(box, since)]
    return {(query["providers"], int(query["offset"])) for query in queries}


def check_whole(bench: Bench) -> None:
    """Each run in the database has all of its rows, each run that is not there none."""
    counted = bench.ask(
        "SELECT r.run_id, r.rows_changed, count(h.run_id) FROM runs r"
        " LEFT JOIN quote_history h USING (run_id) GROUP BY ALL HAVING r.rows_changed <> count(h.run_id)"
    )
    assert counted == []


def ripe_after(moment: int, pages: int, bench: Bench, box: Sandbox, since: int) -> Callable[[], bool]:
    """The first ten moments lie in the fetch, by the pages asked for; the others after it, by time."""
    if moment < 10:
        return lambda: len(priced(box, since)) >= pages * moment + 1
    wait = random.Random(moment).uniform(0, 0.7)
    before = {folder.name for folder in list_landings(bench.home.landing)}
    ended: list[float] = []

    def ripe() -> bool:
        new = [folder for folder in list_landings(bench.home.landing) if folder.name not in before]
        if not ended and any((folder / "done.json").exists() for folder in new):
            ended.append(time.monotonic())
        return bool(ended) and time.monotonic() - ended[0] >= wait

    return ripe


@pytest.mark.parametrize(
    ("providers", "moments", "pages"), [(PROVIDERS, 20, 4), (MANY, 10, 20)], ids=["short", "long"]
)
def test_a_kill_at_any_moment_loses_nothing_and_repeats_nothing(
    make_sandbox: MakeSandbox, tmp_path: Path, providers: tuple[str, ...], moments: int, pages: int
) -> None:
    box = make_sandbox(items=2000, tier="free")
    bench = Bench.at(tmp_path, box, catalog_of(*providers))
    bench.snapshot()
    kills = 0
    for moment in range(moments):
        box.move(30)
        box.faults.clear()
        box.fault("latency", seconds=0.02, times=None)
        since = len(box.requests.since(0))
        kills += killed(bench, ripe_after(moment, pages, bench, box, since))
        held = landed_pages(bench)
        check_whole(bench)
        since = len(box.requests.since(0))
        (result,) = bench.snapshot()
        assert result.state == "done"
        if moment < 10:
            assert held.isdisjoint(asked_pages(box, since))
        check_whole(bench)
        assert bench.quotes() == ledger(box, providers)
    assert kills >= 0.9 * moments, "most kills must hit a living process"
