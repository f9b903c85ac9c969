"""Land the events of one feed as they arrive: what is on disk, and only that, counts."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import Callable
from typing import Final

from common.clock import Clock
from common.concurrency import run_to_completion
from connectors.cs2cap.feed import FeedEvent
from pipelines.config import BasketSettings, Settings
from pipelines.live.micro_batch import MicroBatch

BATCH_SECONDS: Final = 2.0
# A feed that tells more than the disk takes waits in the connection, not in the memory.
MAX_WAITING_ROWS: Final = 100_000


class EventLander:
    """Writes the events of one side of a basket into micro-batches.

    `on_landed` is called in the event loop for each micro-batch that can be loaded; `count_requests` returns
    the requests that no earlier micro-batch has counted.
    """

    def __init__(
        self,
        settings: Settings,
        basket: BasketSettings,
        delivery: str,
        clock: Clock,
        *,
        on_landed: Callable[[], None],
        count_requests: Callable[[], int],
    ) -> None:
        self._paths = settings.paths
        self._least_free = int(settings.warehouse.least_free)
        self._basket = basket
        self._delivery = delivery
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._on_landed = on_landed
        self._count_requests = count_requests
        self._waiting: list[FeedEvent] = []
        self._waiting_rows = 0
        self._changed = asyncio.Condition()
        # The first one has the first change of a quote, the next one its second change, and so on.
        self._batches: list[MicroBatch] = []
        self._batches_end_at = 0.0

    async def add(self, event: FeedEvent) -> None:
        """Hand over an event, once there is room for it."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._waiting_rows < MAX_WAITING_ROWS)
            self._waiting.append(event)
            self._waiting_rows += len(event.rows)
            self._changed.notify_all()

    async def run(self) -> None:
        """Write what arrives, until this call is cancelled: then all that has arrived is landed.

        Raises WarehouseError.
        """
        try:
            while True:
                if events := await self._take():
                    await run_to_completion(asyncio.to_thread(self._write, events))
                if self._batches and self._clock.monotonic() >= self._batches_end_at:
                    await run_to_completion(asyncio.to_thread(self._finish))
        finally:
            await run_to_completion(asyncio.to_thread(self._end, self._take_waiting()))

    async def _take(self) -> list[FeedEvent]:
        """Wait for events, up to the end of the micro-batches; return those that there are."""
        left = self._batches_end_at - self._clock.monotonic() if self._batches else None
        try:
            async with asyncio.timeout(None if left is None else max(left, 0.0)), self._changed:
                await self._changed.wait_for(lambda: self._waiting)
                events = self._take_waiting()
                self._changed.notify_all()
                return events
        except TimeoutError:
            return []

    def _take_waiting(self) -> list[FeedEvent]:
        events, self._waiting, self._waiting_rows = self._waiting, [], 0
        return events

    def _end(self, events: list[FeedEvent]) -> None:
        self._write(events)
        self._finish()

    def _write(self, events: list[FeedEvent]) -> None:
        """Write events to the micro-batches; a further change of a quote of one of them, to the next one."""
        remaining = events
        for number in itertools.count():
            if not remaining:
                return
            batch = self._batches[number] if number < len(self._batches) else self._begin()
            split = [batch.accept(event) for event in remaining]
            if accepted := [new for new, _ in split if new.rows or new.rejects]:
                batch.write(accepted, self._clock.now())
            remaining = [again for _, again in split if again.rows]

    def _begin(self) -> MicroBatch:
        self._paths.ensure_free_space(self._least_free)
        batch = MicroBatch(self._paths, self._basket, self._delivery, self._clock.now()).__enter__()
        if not self._batches:
            self._batches_end_at = self._clock.monotonic() + BATCH_SECONDS
        self._batches.append(batch)
        return batch

    def _finish(self) -> None:
        batches, self._batches = self._batches, []
        with contextlib.ExitStack() as stack:
            for batch in batches:
                stack.push(batch)
            for batch in batches:
                batch.finish(self._clock.now(), requests=self._count_requests())
        if batches:
            self._loop.call_soon_threadsafe(self._on_landed)
