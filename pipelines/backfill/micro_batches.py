"""Micro-batches of a backfill: landings of about a minute, each loaded while the next one is fetched."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from typing import Final, Self

import polars as pl

from common.clock import Clock
from common.warehouse_errors import WarehouseLocked
from pipelines.backfill.results import MAX_REASONS
from pipelines.config import Settings
from pipelines.loading import load_only
from pipelines.snapshot.extraction import new_run_id
from warehouse.landing.model import RunHeader
from warehouse.landing.series import SeriesHeader, SeriesWriter
from warehouse.landing.writer import LandingWriter
from warehouse.paths import WarehousePaths

# Limits of the files in a landing and of the rows in a load, however fast the source is.
MICRO_BATCH_SHARDS: Final = 200
MICRO_BATCH_ROWS: Final = 200_000


class MicroBatch:
    """One landing, and the shards whose pages it takes; `started` is in monotonic seconds."""

    def __init__(self, header: RunHeader, paths: WarehousePaths, started: float) -> None:
        self._lock = contextlib.ExitStack()  # outlives this method; see `unlock`
        self.landing = self._lock.enter_context(LandingWriter(paths.landing, header))
        self.started = started
        self.shards = 0
        self.rows = 0
        self.open_shards = 0
        self.reasons: list[str] = []

    def add_shard(self) -> int:
        """Add a shard and return its number in the landing, from 1."""
        self.shards += 1
        self.open_shards += 1
        return self.shards

    def unlock(self) -> None:
        """Unlock the landing: it can be loaded, as interrupted if it was not finished."""
        self._lock.close()


class ShardSink:
    """Lands the pages of one shard, in one micro-batch after another.

    `header` returns the shard's header for its number in a landing.
    """

    def __init__(self, micro_batches: MicroBatchWriter, header: Callable[[int], SeriesHeader]) -> None:
        self._micro_batches = micro_batches
        self._header = header
        self._current: tuple[MicroBatch, SeriesWriter] | None = None

    def writer(self, rows: int) -> SeriesWriter:
        """Return the writer for a page with this number of rows. Raises WarehouseError."""
        if self._current is None or self._micro_batches.is_full(self._current[0]):
            self._leave(complete=False)
            micro_batch = self._micro_batches.current()
            header = self._header(micro_batch.add_shard())
            self._current = micro_batch, SeriesWriter(micro_batch.landing.folder, header)
        micro_batch, writer = self._current
        micro_batch.rows += rows
        return writer

    def close(self, reason: str | None) -> None:
        """End the shard, complete or incomplete for a `reason`. Raises WarehouseError."""
        if self._current is None and reason is not None:
            self._micro_batches.record_failure(reason)
        self._leave(complete=reason is None, reason=reason)

    def _leave(self, *, complete: bool, reason: str | None = None) -> None:
        if self._current is not None:
            micro_batch, writer = self._current
            writer.finish(complete=complete, reason=reason)
            self._micro_batches.release(micro_batch, reason)
            self._current = None


class MicroBatchWriter:
    """The micro-batches of one run of the backfill `backfill_id`; each takes pages for `seconds`.

    `requests_sent` returns the number of requests sent so far. `runs` are the run ids of the landings.
    """

    def __init__(
        self,
        settings: Settings,
        source: str,
        backfill_id: str,
        *,
        clock: Clock,
        requests_sent: Callable[[], int],
        seconds: float,
    ) -> None:
        self.requests_sent = requests_sent
        self.runs: list[str] = []
        self._settings = settings
        self._source = source
        self._backfill_id = backfill_id
        self._clock = clock
        self._seconds = seconds
        self._requests_recorded = 0
        self._newest: MicroBatch | None = None
        self._open: list[MicroBatch] = []
        self._load_lock = asyncio.Lock()
        self._loads: list[asyncio.Task[None]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for micro_batch in self._open:
            micro_batch.unlock()

    def current(self) -> MicroBatch:
        """Return the micro-batch for the next page. Raises WarehouseError, also that of an earlier load."""
        for task in [task for task in self._loads if task.done()]:  # a failed load ends the run early
            self._loads.remove(task)
            task.result()
        if self._newest is None or self.is_full(self._newest):
            self._newest = self._begin()
            self._finish_idle()
        return self._newest

    def is_full(self, micro_batch: MicroBatch) -> bool:
        """Return whether the next page belongs in a newer micro-batch."""
        return (
            micro_batch is not self._newest
            or micro_batch.shards >= MICRO_BATCH_SHARDS
            or micro_batch.rows >= MICRO_BATCH_ROWS
            or self._clock.monotonic() - micro_batch.started >= self._seconds
        )

    def release(self, micro_batch: MicroBatch, reason: str | None = None) -> None:
        """End a shard of a micro-batch, incomplete for a `reason`; load an older one after its last shard."""
        micro_batch.open_shards -= 1
        if reason is not None:
            micro_batch.reasons.append(reason)
        if micro_batch is not self._newest:
            self._finish_idle()

    def record_failure(self, reason: str) -> None:
        """Record why a shard without any page is incomplete. Raises WarehouseError."""
        self._newest = self._newest or self._begin()
        self._newest.reasons.append(reason)

    async def wait_for_loads(self) -> None:
        """Wait for the running loads. Raises WarehouseError."""
        tasks, self._loads = self._loads, []
        await asyncio.gather(*tasks)

    def land_catalogs(self, catalogs: Mapping[str, pl.DataFrame]) -> None:
        """Land the catalogs that were fetched for this run, in a landing of their own."""
        if not catalogs:
            return
        micro_batch = self._begin()
        for name, rows in catalogs.items():
            micro_batch.landing.add_catalog(name, rows)
        self._finish(micro_batch)

    def finish(self, state: str | None = None, reason: str | None = None) -> None:
        """Finish the open micro-batches, which then can be loaded. Raises WarehouseError.

        Without a `state`, each is done or incomplete according to its shards.
        """
        for micro_batch in list(self._open):
            self._finish(micro_batch, state, reason)

    def _begin(self) -> MicroBatch:
        now = self._clock.now()
        header = RunHeader(
            run_id=new_run_id(now),
            flow="backfill",
            source=self._source,
            basket=self._backfill_id,
            started_at=now,
        )
        micro_batch = MicroBatch(header, self._settings.paths, self._clock.monotonic())
        self._open.append(micro_batch)
        self.runs.append(header.run_id)
        return micro_batch

    def _finish_idle(self) -> None:
        """Finish and load the older micro-batches without an open shard.

        A shard leaves an older micro-batch with its next page.
        """
        older = [micro_batch for micro_batch in self._open if micro_batch is not self._newest]
        idle = [micro_batch for micro_batch in older if not micro_batch.open_shards]
        for micro_batch in idle:
            self._finish(micro_batch)
        if idle:
            self._loads.append(asyncio.create_task(self._load_pending()))

    def _finish(self, micro_batch: MicroBatch, state: str | None = None, reason: str | None = None) -> None:
        sent = self.requests_sent()
        micro_batch.landing.finish(
            state or ("incomplete" if micro_batch.reasons else "done"),
            finished_at=self._clock.now(),
            requests=sent - self._requests_recorded,
            incomplete_reason=reason or "; ".join(micro_batch.reasons[:MAX_REASONS]) or None,
        )
        micro_batch.unlock()
        self._open.remove(micro_batch)
        self._requests_recorded = sent

    async def _load_pending(self) -> None:
        """Load all finished landings; if another loader holds the lock for long, the next load does it."""
        async with self._load_lock:  # loads would only wait for each other's lock of the database
            with contextlib.suppress(WarehouseLocked):
                # The watches run after the last load of the backfill.
                await asyncio.to_thread(load_only, self._settings, [], self._clock)
