"""Read the current state of a live basket: the ordinary snapshot, which also finds what no feed told."""

from __future__ import annotations

import asyncio
from datetime import datetime

from common.clock import Clock
from pipelines.config import BasketSettings, Settings
from pipelines.results import RunResult
from pipelines.snapshot.pipeline import SnapshotPipeline


class StateReader:
    """Takes snapshots of one basket, one at a time, for all its feeds."""

    def __init__(self, settings: Settings, basket: BasketSettings, clock: Clock) -> None:
        self._settings = settings
        self._basket = basket
        self._clock = clock
        self._one_at_a_time = asyncio.Lock()
        self._last: tuple[datetime, RunResult] | None = None

    async def read_since(self, opened_at: datetime) -> RunResult:
        """Return the result of a snapshot that began at `opened_at` or later; take one if there is none.

        Raises ConfigError and WarehouseError.
        """
        async with self._one_at_a_time:
            if self._last is None or self._last[0] < opened_at:
                started_at = self._clock.now()
                (result,) = await SnapshotPipeline(self._settings, (self._basket.name,), self._clock).run()
                self._last = started_at, result
            return self._last[1]
