"""kill -9 at thirty moments of a backfill, taken up again each time: same rows, hardly a page paid twice."""

import random
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs

import pytest

from sandbox.core import Sandbox
from tests.support.sandboxes import MakeSandbox
from tests.support.snapshots import FLOORLINE, Bench, clean_env

pytestmark = pytest.mark.slow
KILLS, WHILE_LOADING = 30, 6
ITEMS = 80
# One page of one walk: the item and the window that were asked for, and the cursor.
Page = tuple[str, str, str, str]
Ripe = Callable[[], bool]


def pages_of(box: Sandbox, since: int = 0) -> list[Page]:
    """The pages of history that were asked for, in that order."""
    queries = [parse_qs(entry.query) for entry in box.requests.of_path("/v1/prices/history", since)]
    names = ("item_id", "start", "end", "cursor")
    return [tuple(query.get(name, [""])[0] for name in names) for query in queries]  # type: ignore[misc]


def killed(command: list[str], ripe: Ripe) -> bool:
    """Start a command and kill it as soon as `ripe`; whether it was still running."""
    run = subprocess.Popen(command, env=clean_env(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while run.poll() is None and not ripe():
        time.sleep(0.002)
    run.kill()
    hit = run.wait() == -9
    time.sleep(0.2)  # what it sent at last reaches the sandbox
    return hit


def moment(kill: int, box: Sandbox, whole: int) -> Ripe:
    """A little after some more pages were asked for; for the last kills, after the last page of all."""
    luck, seen = random.Random(kill), len(pages_of(box))
    left = whole - len(set(pages_of(box)))
    if kill < KILLS - WHILE_LOADING:
        wanted, wait = seen + luck.randrange(2 * left // (KILLS - kill) + 1), luck.uniform(0, 0.1)
    else:
        wanted, wait = seen + left, luck.uniform(0, 1.0 if left else 3.0)
    reached: list[float] = []

    def ripe() -> bool:
        if not reached and len(pages_of(box)) >= wanted:
            reached.append(time.monotonic())
        return bool(reached) and time.monotonic() - reached[0] >= wait

    return ripe


def points(bench: Bench) -> list[tuple[object, ...]]:
    return bench.ask(
        "SELECT item_id, phase, provider, time, lowest_ask, price, quantity FROM price_points ORDER BY ALL"
    )


def test_thirty_kills_change_nothing_and_repeat_a_page_of_each_walk_at_most(
    make_sandbox: MakeSandbox, tmp_path: Path
) -> None:
    box = make_sandbox(items=2000, frozen=None)
    ids = [str(item.item_id) for item in box.market.board.catalog.items[:ITEMS]]
    now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    window = ("--from", f"{now - timedelta(days=14):%Y-%m-%dT%H:%M}", "--to", f"{now:%Y-%m-%dT%H:%M}")
    command = ["backfill", *window, *(word for item in ids for word in ("--items", item))]
    whole, cut = (Bench.at(tmp_path / name, box, source={"tier": "pro"}) for name in ("whole", "cut"))
    whole.command(*command)
    wanted = set(pages_of(box))
    box.requests.clear()

    box.fault("latency", seconds=0.02, times=None)
    asked: set[Page] = set()
    hits = 0
    for kill in range(KILLS):
        since = len(box.requests)
        ripe = moment(kill, box, len(wanted))
        hits += killed([FLOORLINE, *command, "--config", str(cut.config)], ripe)
        asked |= check_repeats(pages_of(box, since), asked)
    since = len(box.requests)
    cut.command(*command)
    asked |= check_repeats(pages_of(box, since), asked)

    assert hits >= KILLS - WHILE_LOADING, "most kills must hit a living process"
    assert asked == wanted
    assert points(cut) == points(whole) != []
    since = len(box.requests)
    cut.command(*command)
    assert pages_of(box, since) == []


def check_repeats(run: list[Page], earlier: set[Page]) -> set[Page]:
    """A run asks for no page twice, and of each walk for one at most that an earlier run had asked for."""
    assert len(run) == len(set(run))
    again = Counter(page[:3] for page in run if page in earlier)
    assert max(again.values(), default=0) <= 1
    return set(run)
