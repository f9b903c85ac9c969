"""How late a follower is: from the event of the feed to the published copy, with many changes a second."""

from __future__ import annotations

import statistics
import tempfile
import time
from datetime import datetime, timedelta
from itertools import cycle, islice
from pathlib import Path

from bench.checks import Checks
from bench.live_feed.follower import Follower, is_followed, wait_until
from bench.live_feed.observation import Observer
from bench.support import FLOORLINE
from sandbox.clock import EPOCH
from sandbox.core import Sandbox
from sandbox.market.providers import KEYS
from sandbox.options import Options
from sandbox.server import serve
from tests.support.snapshots import Bench, catalog_of

MEDIAN_SECONDS = 5.0
HOLD_SECONDS = 2.0
MEMORY_SHARE, MEMORY_MORE = 0.10, 10.0  # by which the memory of the last minute may exceed an earlier one


def run(checks: Checks, *, items: int, minutes: float, changes: int) -> None:
    """Follow a market of so many items with so many changes a second for so long."""
    options = Options(items=items, tier="quant", limits=False, refresh=0)
    with serve(options) as box, tempfile.TemporaryDirectory(prefix="floorline-bench-") as folder:
        bench = Bench.at(Path(folder) / "project", box, catalog_of(*KEYS, live=True))
        command = [FLOORLINE, "live", "--config", str(bench.config)]
        follower = Follower(command, bench.folder / "live.log")
        try:
            _measure(checks, box, bench, follower, minutes=minutes, changes=changes)
        finally:
            follower.kill()


def _measure(
    checks: Checks, box: Sandbox, bench: Bench, follower: Follower, *, minutes: float, changes: int
) -> None:
    listed = len(box.ledger())
    wait_until(follower, lambda: _count_quotes(bench) == listed and bool(box.feeds.open_connections))
    checks.log(f"the follower is ready, with {listed:,} quotes")
    observer = Observer(bench.paths, follower.pid)
    with observer.watching():
        late = _move(box, follower, seconds=minutes * 60, changes=changes)
        checks.log(f"the market has moved, at most {late:.2f} s later than planned")
        wait_until(follower, lambda: observer.published_at(_last_sent(box)) is not None)
    checks.check(is_followed(bench, box, KEYS), "in the end, the quotes are those of the market")
    _check(checks, box, observer, minutes=minutes)


def _count_quotes(bench: Bench) -> int:
    """Return how many quotes are published; a comparison of all of them takes seconds."""
    if not bench.paths.published.exists():
        return 0
    ((count,),) = bench.query("SELECT count(*) FROM quotes")
    return int(count)


def _last_sent(box: Sandbox) -> datetime:
    return as_time(box.feeds.connections[-1].sent[-1].event.seen_at)


def _move(box: Sandbox, follower: Follower, *, seconds: float, changes: int) -> float:
    """Change so many quotes a second, each second those of another marketplace, as crawls find them.

    Return by how many seconds a change was too late, at most.
    """
    began, late = time.monotonic(), 0.0
    for second, provider in enumerate(islice(cycle(KEYS), round(seconds))):
        due = began + second
        time.sleep(max(0.0, due - time.monotonic()))
        late = max(late, time.monotonic() - due)
        box.move(changes, provider=provider)
        follower.check_running()
    return late


def _check(checks: Checks, box: Sandbox, observer: Observer, *, minutes: float) -> None:
    connections = box.feeds.connections
    sent = [event for connection in connections for event in connection.sent]
    lags: list[float] = []
    missing = 0
    for each in sent:
        at = observer.published_at(as_time(each.event.seen_at))
        lags += [] if at is None else [at - each.at / 1e6] * len(each.event.items)
        missing += at is None
    lags.sort()
    tenths = statistics.quantiles(lags, n=100)
    checks.log(
        f"{len(lags):,} changes of {len(sent):,} events, {len(observer.publications)} publications;"
        f" event to published: median {tenths[49]:.2f} s, 95 % {tenths[94]:.2f} s, last {lags[-1]:.2f} s"
    )
    checks.check(missing == 0, f"{missing} events were not published")
    checks.check(len(connections) == 1, f"{len(connections)} connections were opened; one never broke")
    checks.check(tenths[49] <= MEDIAN_SECONDS, f"the median is {tenths[49]:.2f} s")
    longest = max(observer.holds)
    checks.check(longest <= HOLD_SECONDS, f"the writer's lock was held for {longest:.2f} s at the longest")
    _check_memory(checks, observer, minutes=minutes)


def _check_memory(checks: Checks, observer: Observer, *, minutes: float) -> None:
    """Check that the memory does not grow from the second fifth of the time to the last one."""
    first = observer.memory[0][0]
    fifths: list[list[float]] = [[] for _ in range(5)]
    for at, megabytes in observer.memory:
        fifths[min(4, int((at - first) / (minutes * 60) * 5))].append(megabytes)
    medians = [statistics.median(fifth) for fifth in fifths]
    shown = ", ".join(f"{median:.0f}" for median in medians)
    allowed = medians[1] * (1 + MEMORY_SHARE) + MEMORY_MORE
    checks.check(medians[4] <= allowed, f"its memory does not grow: {shown} MB, medians of each fifth")


def as_time(us: int) -> datetime:
    """Return microseconds since 1970 as a time."""
    return EPOCH + timedelta(microseconds=us)
