"""Kill a backfill on one machine, upload what it landed, and resume it on another machine."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs

from bench.checks import Checks
from bench.fault_injection.cluster import Cluster, Command, run_command, running_cluster
from bench.fault_injection.observation import Reader
from sandbox.core import Sandbox
from tests.support.snapshots import Bench
from warehouse.landing.inventory import list_landings
from warehouse.landing.series import read_series

ROUNDS, ITEMS, DAYS = 6, 16, 10
Page = tuple[str, str]  # the item and the cursor; each round has items of its own
POINTS = "SELECT item_id, phase, provider, time, lowest_ask, price, quantity FROM price_points ORDER BY ALL"


def run(checks: Checks, chance: random.Random) -> None:
    """Kill and resume several backfills; compare their points with those of one machine alone."""
    with running_cluster(items=2000, frozen=None) as cluster:
        one, two = (cluster.shared.add_to(_create(cluster, name)) for name in ("one", "two"))
        alone = _create(cluster, "alone")
        for number in range(ROUNDS):
            command = _write_command(cluster.box, number)
            since = len(cluster.box.requests)
            assert run_command(alone, *command) == 0
            expected = set(_list_asked_pages(cluster.box, since))
            _kill_and_resume(checks, cluster.box, (one, two), command, expected, chance=chance)
        checks.check(
            two.query(POINTS) == alone.query(POINTS) != [], "the points equal those of one machine alone"
        )
        reader = Reader(two.paths.published_database)
        reader.read_runs()
        reader.report(checks)


def _create(cluster: Cluster, name: str) -> Bench:
    return Bench.at(cluster.folder / name, cluster.box, source={"tier": "pro"})


def _write_command(box: Sandbox, number: int) -> list[str]:
    """Return a backfill of the last days of some items."""
    end = datetime.now(UTC)
    items = box.market.board.catalog.items[ITEMS * number :][:ITEMS]
    window = ("--from", f"{end - timedelta(days=DAYS):%Y-%m-%d}", "--to", f"{end:%Y-%m-%d}")
    return ["backfill", *window, *(word for item in items for word in ("--items", str(item.item_id)))]


def _kill_and_resume(
    checks: Checks,
    box: Sandbox,
    machines: tuple[Bench, Bench],
    command: list[str],
    expected: set[Page],
    *,
    chance: random.Random,
) -> None:
    one, two = machines
    before = set(list_landings(one.paths.landing))
    since, target = len(box.requests), chance.randint(1, len(expected) - 1)
    box.fault("latency", seconds=0.2, times=None)
    backfill = Command.start(one, *command)
    while backfill.is_running and len(_list_asked_pages(box, since)) < target:
        time.sleep(0.002)
    backfill.process.send_signal(signal.SIGSTOP)  # alive, but no faster than its rival
    rival = Command.start(two, *command)
    refused = rival.wait() == 6 and f"is run by PID {backfill.process.pid} " in rival.output.read_text()
    was_running = backfill.kill()
    box.faults.clear()
    asked = set(_list_asked_pages(box, since))
    landed = _list_landed_pages(set(list_landings(one.paths.landing)) - before)
    checks.log(f"killed: {len(asked)} of {len(expected)} pages asked for, {len(landed)} of them landed")
    checks.check(refused and was_running, f"refused meanwhile: {rival.last_line()[:90]}")
    uploaded = run_command(one, "maintain", "load")
    since = len(box.requests)
    resumed = run_command(two, *command)
    codes, again = (uploaded, resumed), set(_list_asked_pages(box, since))
    checks.check(codes == (0, 0), f"the upload and the resumed backfill end with {codes}")
    checks.check(not again & landed, f"{len(again & landed)} of {len(landed)} landed pages were asked twice")
    checks.check(asked | again == expected, "no page is missing")


def _list_asked_pages(box: Sandbox, since: int) -> list[Page]:
    queries = [parse_qs(entry.query) for entry in box.requests.of_path("/v1/prices/history", since)]
    return [(query["item_id"][0], query.get("cursor", [""])[0]) for query in queries]


def _list_landed_pages(folders: Iterable[Path]) -> set[Page]:
    """Return the pages of a backfill in some landings."""
    return {
        (landed.header.item.item_id or "", page.cursor or "")
        for folder in folders
        for landed in read_series(folder)
        if landed.header.item is not None
        for page in landed.pages
    }
