"""Kill a backfill at random times and resume it each time: no row is lost, hardly a page repeats."""

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
from tests.support import patient
from tests.support.sandboxes import MakeSandbox
from tests.support.snapshots import FLOORLINE, Bench, clean_env

pytestmark = pytest.mark.slow
KILLS, KILLS_DURING_LOAD = 16, 4
ITEMS = 80
# A page of an extraction: the item, the start and end of the window, and the cursor.
Page = tuple[str, str, str, str]


def requested_pages(box: Sandbox, since: int = 0) -> list[Page]:
    """Return the requested pages of history, in their order."""
    queries = [parse_qs(entry.query) for entry in box.requests.of_path("/v1/prices/history", since)]
    names = ("item_id", "start", "end", "cursor")
    return [tuple(query.get(name, [""])[0] for name in names) for query in queries]  # type: ignore[misc]


def run_and_kill(command: list[str], box: Sandbox, is_due: Callable[[], bool]) -> bool:
    """Start a command and kill it as soon as `is_due`; return whether it was still running."""
    run = subprocess.Popen(command, env=clean_env(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while run.poll() is None and not is_due():
        time.sleep(0.002)
    run.kill()
    was_running = run.wait() == -9
    for _ in range(2):  # the sandbox reads in the order of arrival: first what the command sent
        patient.get(f"{box.url}/_sandbox/state").raise_for_status()
    return was_running


def kill_condition(kill: int, box: Sandbox, total: int) -> Callable[[], bool]:
    """Return a condition: shortly after some more requests; for the last kills, after all requests."""
    rng, seen = random.Random(kill), len(requested_pages(box))
    left = total - len(set(requested_pages(box)))
    if kill < KILLS - KILLS_DURING_LOAD:
        target, delay = seen + rng.randrange(2 * left // (KILLS - kill) + 1), rng.uniform(0, 0.1)
    else:
        target, delay = seen + left, rng.uniform(0, 1.0 if left else 3.0)
    reached: list[float] = []

    def is_due() -> bool:
        if not reached and len(requested_pages(box)) >= target:
            reached.append(time.monotonic())
        return bool(reached) and time.monotonic() - reached[0] >= delay

    return is_due


def price_points(bench: Bench) -> list[tuple[object, ...]]:
    return bench.query(
        "SELECT item_id, phase, provider, time, lowest_ask, price, quantity FROM price_points ORDER BY ALL"
    )


def test_kills_lose_no_row_and_repeat_at_most_one_page_per_extraction(
    make_sandbox: MakeSandbox, tmp_path: Path
) -> None:
    box = make_sandbox(items=2000, frozen=None)
    ids = [str(item.item_id) for item in box.market.board.catalog.items[:ITEMS]]
    now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    window = ("--from", f"{now - timedelta(days=14):%Y-%m-%dT%H:%M}", "--to", f"{now:%Y-%m-%dT%H:%M}")
    command = ["backfill", *window, *(argument for item in ids for argument in ("--items", item))]
    reference, killed = (Bench.at(tmp_path / name, box, source={"tier": "pro"}) for name in ("ref", "killed"))
    reference.command(*command)
    expected = set(requested_pages(box))
    box.requests.clear()

    box.fault("latency", seconds=0.02, times=None)
    requested: set[Page] = set()
    hits = 0
    for kill in range(KILLS):
        since = len(box.requests)
        is_due = kill_condition(kill, box, len(expected))
        hits += run_and_kill([FLOORLINE, *command, "--config", str(killed.config)], box, is_due)
        requested |= check_repeats(requested_pages(box, since), requested)
    since = len(box.requests)
    killed.command(*command)
    requested |= check_repeats(requested_pages(box, since), requested)

    assert hits >= KILLS - KILLS_DURING_LOAD, "most kills must hit a running process"
    assert requested == expected
    assert price_points(killed) == price_points(reference) != []
    since = len(box.requests)
    killed.command(*command)
    assert requested_pages(box, since) == []


def check_repeats(pages: list[Page], earlier: set[Page]) -> set[Page]:
    """Check that a run repeats no page, and at most one earlier page per extraction; return its pages."""
    assert len(pages) == len(set(pages))
    repeats = Counter(page[:3] for page in pages if page in earlier)
    assert max(repeats.values(), default=0) <= 1
    return set(pages)
