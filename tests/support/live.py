"""Follow the feeds of a sandbox in a thread, and what the record has to hold then."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from typing import Any

from common.clock import Clock
from pipelines.live.pipeline import LivePipeline
from sandbox.core import Sandbox
from tests.support.clocks import SandboxClock
from tests.support.snapshots import Bench, Row, ledger
from tests.support.waiting import wait_until

PROVIDERS = ("steam", "buff163", "csfloat")


class Follower:
    """A live pipeline that runs in a thread; `lines` are what it told, `error` is what ended it."""

    def __init__(self, bench: Bench, clock: Clock) -> None:
        self.lines: list[str] = []
        self.error: BaseException | None = None
        self._bench, self._clock = bench, clock
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._loop: asyncio.AbstractEventLoop
        self._task: asyncio.Task[None]
        self.pipeline: LivePipeline

    def start(self) -> None:
        """Start to follow."""
        self._thread.start()
        self._ready.wait()

    def stop(self) -> None:
        """Stop as a signal does, and wait for the end."""
        with contextlib.suppress(RuntimeError):  # it has ended
            self._loop.call_soon_threadsafe(self._task.cancel)
        self.join()

    def join(self) -> None:
        """Wait for the end."""
        self._thread.join(120)
        assert not self._thread.is_alive()

    def count(self, text: str) -> int:
        """Return how many lines have a text."""
        return sum(text in line for line in self.lines)

    def _run(self) -> None:
        async def main() -> None:
            self._loop, task = asyncio.get_running_loop(), asyncio.current_task()
            assert task is not None
            self._task = task
            self._ready.set()
            self.pipeline = LivePipeline(self._bench.settings, clock=self._clock, notify=self.lines.append)
            await self.pipeline.run()

        try:
            asyncio.run(main())
        except BaseException as error:  # noqa: BLE001 - the test looks at it
            self.error = error


@contextlib.contextmanager
def following(bench: Bench, box: Sandbox, feeds: int = 1) -> Iterator[Follower]:
    """Follow the feeds of a bench, once so many are open and the first state is loaded; stop in the end."""
    bench.prepare()
    follower = Follower(bench, SandboxClock(box))
    follower.start()
    try:
        wait_until(lambda: follower.count("is open") >= feeds or follower.error)
        wait_until(lambda: is_current(bench, box) or follower.error, every=0.2)
        yield follower
    finally:
        follower.stop()


def is_current(bench: Bench, box: Sandbox, **of: Any) -> bool:
    """Return whether the record holds what the sandbox lists."""
    with contextlib.suppress(Exception):  # nothing is published yet
        return live_quotes(bench) == listed(box, **of)
    return False


def live_quotes(bench: Bench) -> list[Row]:
    """Return the quotes of the record, without the entries that sum up phases."""
    return [row for row in bench.quotes() if row[5]]


def listed(box: Sandbox, **of: Any) -> list[Row]:
    """Return what the sandbox lists."""
    aggregates = {str(item.item_id) for item in box.market.board.catalog.items if item.aggregate}
    return [row for row in ledger(box, PROVIDERS, **of) if row[1] not in aggregates]
