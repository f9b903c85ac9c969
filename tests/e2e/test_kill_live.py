"""`floorline live` is killed at any moment: every event that was on disk is in the history."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from sandbox.core import Sandbox
from tests.support.live import PROVIDERS, is_current
from tests.support.sandboxes import MakeSandbox
from tests.support.snapshots import FLOORLINE, Bench, catalog_of, clean_env
from tests.support.waiting import wait_until
from warehouse.landing.arrow import PAGE_SCHEMA, read_pages
from warehouse.landing.model import PageMeta

pytestmark = [pytest.mark.slow, pytest.mark.server]
Change = tuple[str, str, float, int | None]  # provider, item id, Unix time, price in cents


@contextlib.contextmanager
def live(bench: Bench) -> Iterator[subprocess.Popen[bytes]]:
    """Run `floorline live`, and kill it in the end."""
    command = [FLOORLINE, "live", "--config", str(bench.config)]
    with subprocess.Popen(command, env=clean_env(), stderr=subprocess.PIPE) as process:
        try:
            yield process
        finally:
            process.kill()


def landed(bench: Bench) -> set[Change]:
    """Return each change that a feed told and that is on disk, whole."""
    changes: set[Change] = set()
    for path in bench.paths.landing.glob("*-live*/0001.arrow.zst"):
        for meta, batch in read_pages(path, PAGE_SCHEMA, PageMeta):
            for row in batch.to_pylist():
                changes.add((row["provider"], row["item_id"], meta.moment.timestamp(), row["lowest_ask"]))
    return changes


def change_market(box: Sandbox) -> None:
    for change in (box.move, box.vanish, box.appear):
        box.advance(1)
        change(12)


def count_loads(bench: Bench) -> int:
    """Return how many landings of a feed are marked as loaded."""
    return len([*bench.paths.landing.glob("*-live*/loaded")])


# The moments of the kills: as soon as an event is on disk, once its landing is finished, and after its load.
MOMENTS: Mapping[str, Callable[[Bench], int]] = {
    "landed": lambda bench: len(landed(bench)),
    "finished": lambda bench: len([*bench.paths.landing.glob("*-live*/done.json")]),
    "loaded": count_loads,
}


def test_no_event_on_disk_is_lost(tmp_path: Path, make_sandbox: MakeSandbox) -> None:
    box = make_sandbox(tier="quant", items=100)
    bench = Bench.at(tmp_path, box, catalog_of(*PROVIDERS, live=True, every="1h"))
    bench.prepare()
    for count in MOMENTS.values():
        follow_and_kill(bench, box, count)
        kept = landed(bench)
        bench.command("maintain", "load")
        history = {
            (provider, item_id, at.timestamp(), ask)
            for provider, item_id, at, ask in bench.query(
                "SELECT provider, item_id, valid_from, lowest_ask FROM quote_history"
            )
        }
        assert kept <= history
    with live(bench):
        wait_until(lambda: is_current(bench, box), every=0.2)


def follow_and_kill(bench: Bench, box: Sandbox, count: Callable[[Bench], int]) -> None:
    """Follow the feed, change the market, and kill the process as soon as `count` grows."""
    opened = len(box.feeds.connections)
    with live(bench):
        wait_until(lambda: len(box.feeds.connections) > opened, every=0.1)
        wait_until(lambda: is_current(bench, box), every=0.2)
        before = count(bench)
        change_market(box)
        wait_until(lambda: count(bench) > before)
