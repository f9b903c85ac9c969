"""A clock that moves only when everybody waits for it."""

from __future__ import annotations

import asyncio
import heapq
from datetime import UTC, datetime, timedelta

from common.clock import SystemClock
from sandbox.core import Sandbox


class BoxClock(SystemClock):
    """The moment is the sandbox's; waiting is real."""

    def __init__(self, box: Sandbox) -> None:
        self._box = box

    def now(self) -> datetime:
        """Return the sandbox's moment, UTC."""
        return self._box.clock.now()


NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


class VirtualClock:
    """Noon at first. A sleeper gives way to every task that can run, then time jumps to the first to wake."""

    def __init__(self) -> None:
        self.time = 0.0
        self.slept: list[float] = []
        self._due: list[float] = []

    def now(self) -> datetime:
        """Return the current moment, aware, in UTC."""
        return NOON + timedelta(seconds=self.time)

    def monotonic(self) -> float:
        """Return the seconds since noon."""
        return self.time

    async def sleep(self, seconds: float) -> None:
        """Return when time has come to it."""
        self.slept.append(seconds)
        due = self.time + seconds
        heapq.heappush(self._due, due)
        try:
            while self.time < due:
                for _ in range(20):
                    await asyncio.sleep(0)
                if self._due[0] >= due:
                    self.time = max(self.time, due)
        finally:
            self._due.remove(due)
            heapq.heapify(self._due)
