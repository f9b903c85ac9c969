"""Hours in minutes: the clocks of a sandbox and of a follower, both so many times as fast as real time."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Iterator
from datetime import datetime, timedelta

from sandbox.core import Sandbox

TICK_SECONDS = 0.02


class FastClock:
    """Shows `start` at `began` (Unix seconds), and runs `speed` times as fast from there on."""

    def __init__(self, start: datetime, began: float, speed: float) -> None:
        self._start, self._began, self._speed = start, began, speed

    def now(self) -> datetime:
        """Return the current time in UTC."""
        return self._start + timedelta(seconds=(time.time() - self._began) * self._speed)

    def monotonic(self) -> float:
        """Return seconds from an arbitrary start; the value never decreases."""
        return time.monotonic() * self._speed

    async def sleep(self, seconds: float) -> None:
        """Return after so many seconds of this clock."""
        await asyncio.sleep(seconds / self._speed)


@contextlib.contextmanager
def ticking(box: Sandbox, clock: FastClock) -> Iterator[None]:
    """Let the frozen clock of a sandbox follow another clock until the block ends."""
    stopped = threading.Event()

    def follow() -> None:
        while not stopped.wait(TICK_SECONDS):
            box.advance((clock.now() - box.clock.now()).total_seconds())

    thread = threading.Thread(target=follow)
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join()
