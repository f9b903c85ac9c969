"""Legs of a backfill: landings of a minute or so, each loaded while the next one is being fetched."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from typing import Final, Self

import polars as pl

from common.clock import Clock
from common.errors import WarehouseLocked
from pipelines.backfill.results import MAX_REASONS
from pipelines.config import Settings
from pipelines.loading import load_and_publish
from pipelines.snapshot.extraction import new_run_id
from warehouse.landing.model import RunHeader
from warehouse.landing.series import SeriesHeader, SeriesWriter
from warehouse.landing.writer import LandingWriter
from warehouse.paths import WarehousePaths

# The files of a landing, and the rows of a load, however quick the source is.
MICRO_BATCH_SHARDS: Final = 200
MICRO_BATCH_ROWS: Final = 200_000


class MicroBatch:
    """One landing that shards are being walked into."""

    def __init__(self, landing: LandingWriter, began: float) -> None:
        self.landing = landing
        self.began = began  # monotonic seconds
        self.shards = 0
        self.rows = 0
        self.walking = 0
        self.reasons: list[str] = []

    def next_number(self) -> int:
        """The number, from 1, of one more shard that is walked into it."""
        self.shards += 1
        self.walking += 1
        return self.shards


class ShardSink:
    """Where the pages of one shard land: in one of `legs` after another, under the header that each gets."""

    def __init__(self, legs: MicroBatchWriter, header: Callable[[int], SeriesHeader]) -> None:
        self._legs = legs
        self._header = header
        self._at: tuple[MicroBatch, SeriesWriter] | None = None

    def writer(self, rows: int) -> SeriesWriter:
        """Where to append a page of so many rows. Raises WarehouseError."""
        if self._at is not None and self._legs.is_full(self._at[0]):
            self._leave(*self._at, complete=False)
        leg, writer = self._at = self._at or self._begin()
        leg.rows += rows
        return writer

    def close(self, reason: str | None) -> None:
        """Say that the shard has ended, whole or for a `reason`. Raises WarehouseError."""
        if self._at is not None:
            self._leave(*self._at, complete=reason is None, reason=reason)
        elif reason is not None:
            self._legs.record_failure(reason)

    def _begin(self) -> tuple[MicroBatch, SeriesWriter]:
        leg = self._legs.current()
        return leg, SeriesWriter(leg.landing.folder, self._header(leg.next_number()))

    def _leave(
        self, leg: MicroBatch, writer: SeriesWriter, *, complete: bool, reason: str | None = None
    ) -> None:
        writer.finish(complete=complete, reason=reason)
        self._legs.release(leg, reason)
        self._at = None


class MicroBatchWriter:
    """The landings of one run of the backfill `backfill_id`; a leg takes pages for `seconds`.

    `sent` tells the requests that were sent so far; `runs` are the ids of its landings.
    """

    def __init__(
        self,
        settings: Settings,
        source: str,
        backfill_id: str,
        clock: Clock,
        *,
        sent: Callable[[], int],
        seconds: float,
    ) -> None:
        self._settings = settings
        self._source = source
        self._backfill_id = backfill_id
        self._clock = clock
        self.sent = sent
        self._seconds = seconds
        self._charged = 0
        self._newest: MicroBatch | None = None
        self._open: list[MicroBatch] = []
        self._turn = asyncio.Lock()
        self._settling: list[asyncio.Task[None]] = []
        self.runs: list[str] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Let go of what was not finished: it counts as interrupted."""
        for leg in self._open:
            leg.landing.__exit__()

    def current(self) -> MicroBatch:
        """The leg for what is about to land. Raises WarehouseError, also of an earlier load."""
        for task in [task for task in self._settling if task.done()]:
            self._settling.remove(task)
            task.result()
        leg = self._newest
        if leg is None or self.is_full(leg):
            leg = self._newest = self._begin()
            self._end_idle()
        return leg

    def release(self, leg: MicroBatch, reason: str | None = None) -> None:
        """A shard has ended, whole or for a `reason`; the last one of an older leg has it loaded."""
        leg.walking -= 1
        if reason is not None:
            leg.reasons.append(reason)
        if leg is not self._newest:
            self._end_idle()

    def record_failure(self, reason: str) -> None:
        """Note why a shard that brought nothing at all is not whole. Raises WarehouseError."""
        self._newest = self._newest or self._begin()
        self._newest.reasons.append(reason)

    async def wait_for_loads(self) -> None:
        """Wait for the loads that are under way. Raises WarehouseError."""
        tasks, self._settling = self._settling, []
        await asyncio.gather(*tasks)

    def land_catalogs(self, catalogs: Mapping[str, pl.DataFrame]) -> None:
        """Land the catalogs that were fetched on the way, apart from what is read with them."""
        if not catalogs:
            return
        leg = self._begin()
        for name, rows in catalogs.items():
            leg.landing.add_catalog(name, rows)
        self._finish(leg)

    def finish(self, state: str | None = None, reason: str | None = None) -> None:
        """Say how the legs that are still open ended; they wait to be loaded. Raises WarehouseError.

        Without a `state`, they tell by their shards whether they are whole.
        """
        for leg in list(self._open):
            self._finish(leg, state, reason)

    def is_full(self, leg: MicroBatch) -> bool:
        """Whether what comes next belongs into another leg."""
        full = leg.shards >= MICRO_BATCH_SHARDS or leg.rows >= MICRO_BATCH_ROWS
        return full or leg is not self._newest or self._clock.monotonic() - leg.began >= self._seconds

    def _begin(self) -> MicroBatch:
        now = self._clock.now()
        header = RunHeader(new_run_id(now), "backfill", self._source, self._backfill_id, now)
        leg = MicroBatch(
            LandingWriter(WarehousePaths(self._settings.root).landing, header).__enter__(),
            self._clock.monotonic(),
        )
        self._open.append(leg)
        self.runs.append(header.run_id)
        return leg

    def _end_idle(self) -> None:
        idle = [leg for leg in self._open if leg is not self._newest and not leg.walking]
        for leg in idle:
            self._finish(leg)
        if idle:
            self._settling.append(asyncio.create_task(self._load_pending()))

    def _finish(self, leg: MicroBatch, state: str | None = None, reason: str | None = None) -> None:
        sent = self.sent()
        leg.landing.finish(
            state or ("incomplete" if leg.reasons else "done"),
            finished_at=self._clock.now(),
            requests=sent - self._charged,
            incomplete_reason=reason or "; ".join(leg.reasons[:MAX_REASONS]) or None,
        )
        leg.landing.__exit__()
        self._open.remove(leg)
        self._charged = sent

    async def _load_pending(self) -> None:
        """Load what waits; another loader that is busy for long has it done by the next one."""
        async with self._turn:
            with contextlib.suppress(WarehouseLocked):
                await asyncio.to_thread(load_and_publish, self._settings, [], self._clock)
