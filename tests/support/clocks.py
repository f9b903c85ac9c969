"""Clocks for tests: one that follows a sandbox, and virtual ones that wait no real time."""

from __future__ import annotations

import asyncio
import heapq
from datetime import UTC, datetime, timedelta

from common.clock import SystemClock
from sandbox.core import Sandbox

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


class SandboxClock(SystemClock):
    """Shows the time of a sandbox; waits in real time."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    def now(self) -> datetime:
        """Return the sandbox's time, UTC."""
        return self._sandbox.clock.now()


class VirtualClock:
    """Starts at noon. When every task sleeps, `time` (seconds since noon) jumps to the first wake-up.

    `slept` logs the length of every sleep.
    """

    def __init__(self) -> None:
        self.time = 0.0
        self.slept: list[float] = []
        self._wake_ups: list[float] = []

    def now(self) -> datetime:
        """Return the current time, UTC."""
        return NOON + timedelta(seconds=self.time)

    def monotonic(self) -> float:
        """Return the seconds since noon."""
        return self.time

    async def sleep(self, seconds: float) -> None:
        """Let every other task run, then move the time if this is the first wake-up."""
        self.slept.append(seconds)
        wake_up = self.time + seconds
        heapq.heappush(self._wake_ups, wake_up)
        try:
            while self.time < wake_up:
                for _ in range(20):
                    await asyncio.sleep(0)
                if self._wake_ups[0] >= wake_up:
                    self.time = max(self.time, wake_up)
        finally:
            self._wake_ups.remove(wake_up)
            heapq.heapify(self._wake_ups)


class SynchronizedClock(VirtualClock):
    """A virtual clock whose sleeps advance the sandbox's clock, too."""

    def __init__(self, sandbox: Sandbox) -> None:
        super().__init__()
        self._sandbox = sandbox

    async def sleep(self, seconds: float) -> None:
        """Sleep, and advance the sandbox by the time that passed."""
        before = self.time
        await super().sleep(seconds)
        self._sandbox.advance(self.time - before)
