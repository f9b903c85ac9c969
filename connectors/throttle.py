"""Pacing: never more requests in any minute than the tier allows, and silence while the API asks for it."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from connectors.clock import Clock

WINDOW = 60.0


class Throttle:
    """A sliding window of `per_minute` requests (None = no limit) on `clock`.

    There is one slot for each request a minute allows. A slot is taken before the request leaves and is free
    again 60 s after its answer came: however long either travels, the server never counts more than
    `per_minute` arrivals in any minute.
    """

    def __init__(self, per_minute: int | None, clock: Clock) -> None:
        self._clock = clock
        self._held_until = clock.monotonic()
        self._slots: asyncio.Queue[float] | None = None
        self._spent: deque[float] = deque()
        self.pace(per_minute)

    def pace(self, per_minute: int | None) -> None:
        """Set the allowance, where none was set before; what was sent in the last minute counts."""
        if per_minute is None or self._slots is not None:
            return
        self._slots = asyncio.Queue()
        spent = list(self._spent)[-per_minute:]
        for free_at in [self._clock.monotonic()] * (per_minute - len(spent)) + spent:
            self._slots.put_nowait(free_at)

    def hold(self, seconds: float) -> None:
        """Send nothing for `seconds`, because the API said so to one request."""
        self._held_until = max(self._held_until, self._clock.monotonic() + seconds)

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[None]:
        """Wait for the right to send one request, and hold it until the answer is there."""
        slots = self._slots
        free_at = self._clock.monotonic() if slots is None else await slots.get()
        give_back = self._remember if slots is None else slots.put_nowait
        try:
            await self._wait_until(free_at)
        except BaseException:
            give_back(free_at)
            raise
        try:
            yield
        finally:
            give_back(self._clock.monotonic() + WINDOW)

    async def _wait_until(self, moment: float) -> None:
        while (wait := max(moment, self._held_until) - self._clock.monotonic()) > 0:
            await self._clock.sleep(wait)

    def _remember(self, free_at: float) -> None:
        while self._spent and self._spent[0] <= self._clock.monotonic():
            self._spent.popleft()
        self._spent.append(free_at)
