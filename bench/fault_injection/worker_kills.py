"""Kill snapshots at random pages: the next one on the same disk asks for no page that had landed."""

from __future__ import annotations

import random
import time
from urllib.parse import parse_qs

from bench.checks import Checks
from bench.fault_injection.cluster import Cluster, Command, run_command, running_cluster
from bench.fault_injection.observation import Reader
from tests.support.snapshots import Bench, catalog_of, ledger, price_requests
from warehouse.landing.inventory import list_landings
from warehouse.landing.reader import read_run
from warehouse.landing.resume import INTERRUPTED

KILLS = 20
PROVIDERS = ("steam", "buff163", "csfloat", "skinport")
Page = tuple[str, int]  # the marketplace and the offset


def run(checks: Checks, chance: random.Random) -> None:
    """Kill one snapshot after another, each of which goes on where the one before was killed."""
    with running_cluster(items=800, tier="free") as cluster:
        worker = cluster.machine("worker", catalog_of(*PROVIDERS, fresh="1d"))
        assert run_command(worker, "snapshot", "--quiet") == 0
        pages = len(price_requests(cluster.box))
        checks.log(f"a snapshot asks for {pages} pages")
        cluster.box.fault("latency", seconds=0.05, times=None)
        reader, kills = Reader(worker.paths.published_database), 0
        with reader.beside():
            while kills < KILLS:
                kills += _kill_snapshot(checks, cluster, worker, chance.randint(1, pages))
            code = run_command(worker, "snapshot", "--quiet")
        checks.check(code == 0, f"the last snapshot ends with {code}")
        _compare_with_market(checks, cluster, worker)
        reader.read_runs()
        reader.report(checks)


def _kill_snapshot(checks: Checks, cluster: Cluster, worker: Bench, requests: int) -> bool:
    """Kill a snapshot once it has sent so many requests; return False where it ended first.

    It may ask for no page that the last one had landed before it was killed.
    """
    landed, since = _list_interrupted_pages(worker), len(cluster.box.requests)
    if not landed:
        cluster.box.move(30)
    snapshot = Command.start(worker, "snapshot", "--quiet")
    while snapshot.is_running and len(price_requests(cluster.box, since)) < requests:
        time.sleep(0.002)
    was_killed = snapshot.kill()
    asked = _list_asked_pages(cluster, since)
    repeated = sorted(landed & asked)
    fate = "killed" if was_killed else f"ended with {snapshot.process.returncode}"
    checks.check(
        not repeated and snapshot.process.returncode in {0, -9},
        f"{fate}: {len(landed)} pages had landed, {len(asked)} were asked for, {len(repeated)} of them again",
    )
    if not was_killed:
        _compare_with_market(checks, cluster, worker)
    return was_killed


def _compare_with_market(checks: Checks, cluster: Cluster, worker: Bench) -> None:
    is_equal = worker.quotes() == ledger(cluster.box, PROVIDERS)
    checks.check(is_equal, "the quotes equal the market")


def _list_asked_pages(cluster: Cluster, since: int) -> set[Page]:
    queries = [parse_qs(entry.query) for entry in price_requests(cluster.box, since)]
    return {(query["providers"][0], int(query["offset"][0])) for query in queries}


def _list_interrupted_pages(worker: Bench) -> set[Page]:
    """Return the pages in the newest landing, if its process was killed before it had all of them."""
    newest = read_run(list_landings(worker.paths.landing)[-1])
    if newest.done["state"] not in INTERRUPTED:
        return set()
    typed = {(shard.header.providers[0], meta.offset) for shard in newest.shards for _, meta in shard.pages}
    raw = {
        (shard.header.providers[0], meta.offset) for shard in newest.raw_shards for meta, _ in shard.chunks()
    }
    return typed | raw
