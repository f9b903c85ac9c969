"""Two hours of the sandbox's clock with a feed that breaks, floods, repeats and tells late, and kills."""

from __future__ import annotations

import random
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from bench.checks import Checks
from bench.live_feed.clock import FastClock, ticking
from bench.live_feed.follower import Follower, is_followed, wait_until
from bench.live_feed.landed import read_landed
from bench.live_feed.timeline import Change, Timeline, find_invented, read_market, read_warehouse
from sandbox.core import Sandbox
from sandbox.options import Options
from sandbox.server import serve
from tests.support.snapshots import Bench, catalog_of

PROVIDERS = ("steam", "buff163", "csfloat", "skinport", "youpin", "dmarket")
ITEMS = 300
MOVES_EVERY = (5.0, 25.0)  # seconds of the sandbox's clock
BREAKS, KILLS = 20, 10
WAYS = (
    "drop",
    "close",
    "kill",
    "middle",
    "drop",
    "kill",
)  # how the feed is lost, in turn: 20 breaks, 10 kills
FAULTS: Sequence[Mapping[str, Any]] = (
    {"kind": "feed_split", "bytes": 997},
    {"kind": "feed_repeat", "every": 7},
    {"kind": "feed_late", "every": 9, "seconds": 60},
    {"kind": "feed_flood", "after_events": 10, "every": 100, "items": 5_000},
    {"kind": "feed_flood", "after_events": 60, "items": 100_000},
)
LATE = timedelta(seconds=60)  # by which an event may be late, and lost with its connection
GAPS = """
SELECT started_at, finished_at FROM runs WHERE flow = 'live' AND state = 'incomplete' ORDER BY started_at
"""


class Scene:
    """A market that moves, and a follower by the same fast clock."""

    def __init__(
        self, checks: Checks, folder: Path, box: Sandbox, *, speed: float, rng: random.Random
    ) -> None:
        self.bench = Bench.at(folder / "project", box, catalog_of(*PROVIDERS, live=True, every="1d"))
        self.start = box.clock.now()
        began = time.time()
        self.clock = FastClock(self.start, began, speed)
        self.landed: set[Change] = set()  # what followers had on disk when they were killed
        self._checks, self._box, self._speed, self._rng = checks, box, speed, rng
        self._command = [
            *(sys.executable, "-m", "bench.live_feed.process", str(self.bench.config)),
            *(self.start.isoformat(), str(began), str(speed)),
        ]
        self._still = threading.Lock()  # who holds it, moves the market
        self._stopped = threading.Event()
        self.follower = self._begin()

    @contextmanager
    def moving(self) -> Iterator[None]:
        """Move the market, at random moments and in every way, until the block ends."""

        def move() -> None:
            while not self._stopped.wait(self._rng.uniform(*MOVES_EVERY) / self._speed):
                with self._still:
                    self._move()

        thread = threading.Thread(target=move)
        thread.start()
        try:
            yield
        finally:
            self._stopped.set()
            thread.join()

    def lose(self, way: str) -> None:
        """Break the feed or kill the follower in one of `WAYS`, and wait until the feed is open again."""
        connections = len(self._box.feeds.connections)
        if way == "kill":
            self.follower.kill()
            self.landed |= set(read_landed(self.bench.paths))
            self.follower = self._begin()
        else:
            self._box.break_feeds(way)
        wait_until(self.follower, lambda: len(self._box.feeds.connections) > connections)

    def settle(self, what: str) -> None:
        """Hold the market still, and check that the published quotes become those of the market."""
        with self._still:
            equal = wait_until(self.follower, lambda: is_followed(self.bench, self._box, PROVIDERS))
        self._checks.check(equal, f"{what}: the {len(self.bench.quotes()):,} quotes are those of the market")

    def gaps(self) -> list[tuple[datetime, datetime]]:
        """Return the times of which the warehouse says that the feed was not heard."""
        return [(start, end) for start, end in self.bench.query(GAPS)]

    def _begin(self) -> Follower:
        return Follower(self._command, self.bench.folder / "live.log")

    def _move(self) -> None:
        provider, count = self._rng.choice(PROVIDERS), self._rng.randint(1, 40)
        change = self._rng.choice((self._box.move, self._box.move, self._box.restock, self._box.vanish))
        change(count, provider=provider)
        if self._rng.random() < 0.3:
            self._box.restore()


def run(checks: Checks, *, hours: float, speed: float, seed: int) -> None:
    """Follow a feed that is lost thirty times, and compare the history with the market in the end."""
    rng = random.Random(seed)
    options = Options(items=ITEMS, tier="quant", limits=False, refresh=0, frozen=datetime.now(UTC))
    losses = BREAKS + KILLS
    pause = hours * 3600 / speed / losses
    with serve(options) as box, tempfile.TemporaryDirectory(prefix="floorline-bench-") as folder:
        for fault in FAULTS:
            box.fault(**fault, times=None)
        scene = Scene(checks, Path(folder), box, speed=speed, rng=rng)
        with ticking(box, scene.clock):
            scene.settle("the first state")
            with scene.moving():
                for number in range(losses):
                    began, way = time.monotonic(), WAYS[number % len(WAYS)]
                    time.sleep(pause * rng.uniform(0.3, 0.7))
                    scene.lose(way)
                    scene.settle(f"loss {number + 1} ({way})")
                    time.sleep(max(0.0, pause - (time.monotonic() - began)))
            scene.settle("the end")
            checks.check(scene.follower.stop() in {0, 130, 143}, "the follower ends when it is asked to")
        _compare(checks, scene, box)


def _compare(checks: Checks, scene: Scene, box: Sandbox) -> None:
    history, market = read_warehouse(scene.bench), read_market(box, PROVIDERS, scene.start)
    hours = (box.clock.now() - scene.start).total_seconds() / 3600
    checks.log(f"{hours:.1f} h, {len(market.changes):,} changes, {len(history.changes):,} rows of history")
    invented = find_invented(history, market)
    checks.check(not invented, f"{len(invented)} rows of history were never listed: {invented[:3]}")
    _check_missing(checks, scene, box, history=history, market=market)
    # Of several states at one time, only the last one stays.
    lasting = [change for change in scene.landed if market.state_at(change.key, change.at) == change.state]
    lost = [change for change in lasting if history.state_at(change.key, change.at) != change.state]
    checks.check(not lost, f"of {len(lasting):,} landed rows, {len(lost)} were lost by kills: {lost[:3]}")


def _check_missing(
    checks: Checks, scene: Scene, box: Sandbox, *, history: Timeline, market: Timeline
) -> None:
    """Check that every change which the history lacks is in a gap that the warehouse names."""
    columns = box.sent_items().select("provider", "item_id", "seen_at").rows()
    sent = {(provider, str(item), at) for provider, item, at in columns}
    first, gaps = min(change.at for change in history.changes), scene.gaps()
    named = late = 0
    unnamed: list[Change] = []
    for change in market.changes:
        if change.at < first or history.state_at(change.key, change.at) == market.state_at(
            change.key, change.at
        ):
            continue
        if any(start <= change.at <= end for start, end in gaps):
            named += 1
        elif (*change.key, change.at) not in sent and any(
            start - LATE <= change.at < start for start, _ in gaps
        ):
            late += 1
        else:
            unnamed.append(change)
    checks.log(f"{len(gaps)} gaps; {late} changes were late when their connection broke, and never told")
    checks.check(
        not unnamed, f"{named} changes are missing in gaps, and {len(unnamed)} elsewhere: {unnamed[:3]}"
    )
