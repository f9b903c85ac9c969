"""Extract the shards of a backfill: several at once, each page landed before its checkpoint is recorded."""

from __future__ import annotations

import asyncio
import dataclasses
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Final, cast

from common.clock import Clock
from common.concurrency import gather_fail_fast, run_to_completion
from common.errors import QuotaExhausted, RequestRejected, SourceError, TransientError
from common.shards import SeriesShard
from common.text import escape, sanitize
from connectors.cs2cap.connector import CS2Cap
from connectors.series import Series, SeriesPage
from connectors.shard_deadline import LISTING_PAGES, ShardDeadline, longest_time
from pipelines.backfill.micro_batches import MicroBatchWriter, ShardSink
from pipelines.backfill.progress import BackfillProgress, ProgressUpdate
from pipelines.backfill.results import ExtractTotals, ShardTally
from pipelines.results import FATAL_SOURCE_ERRORS
from warehouse.landing.series import SeriesHeader, SeriesPageMeta, SeriesWriter
from warehouse.state.backfill_rows import BackfillRecord, BackfillShard
from warehouse.state.backfills import BackfillStore
from warehouse.state.coverage import ANSWERED_AT_ONCE

UNKNOWN_PROVIDER: Final = "unknown provider"
# The API must still keep the start of a shard when the extraction reaches it.
RETENTION_MARGIN: Final = timedelta(minutes=15)
# After this number of shards that failed one after another, without a page between them, the source is down.
MAX_CONSECUTIVE_FAILURES: Final = 20
PROGRESS_INTERVAL: Final = 1.0  # seconds


class BackfillCancelled(Exception):
    """The backfill was cancelled with `floorline backfill cancel`."""


class ShardExtractor:
    """Extracts the shards of one backfill, `concurrency` of them at once.

    `providers` maps provider names and keys to keys. `retention_start` returns the start (UTC) of what the
    API keeps of the series now, None if the API keeps everything.
    """

    def __init__(  # noqa: PLR0913 - the collaborators of an extraction
        self,
        record: BackfillRecord,
        shards: Sequence[BackfillShard],
        backfills: BackfillStore,
        *,
        connector: CS2Cap,
        providers: Mapping[str, str],
        micro_batches: MicroBatchWriter,
        clock: Clock,
        progress: BackfillProgress,
        retention_start: Callable[[], datetime | None],
        concurrency: int,
    ) -> None:
        self.totals = ExtractTotals()
        self._id = record.backfill_id
        self._series = cast("Series", record.series)
        self._backfills = backfills
        self._connector = connector
        self._providers = providers
        self._micro_batches = micro_batches
        self._clock = clock
        self._progress = progress
        self._retention_start = retention_start
        self._concurrency = concurrency
        self._queue = deque(shard for shard in shards if shard.state != "done")
        self._shards = len(shards)
        self._ended = len(shards) - len(self._queue)
        self._fractions = {shard.number: self._fraction_read(shard, shard.oldest) for shard in self._queue}
        # A running total, because a backfill can have 100,000 shards and updates it with each page.
        self._fraction_sum = self._ended + sum(self._fractions.values())
        self._quota_error: QuotaExhausted | None = None
        self._consecutive_failures = 0
        self._quota_checked_at = -PROGRESS_INTERVAL  # monotonic seconds
        self._quota_remaining: int | None = None

    async def run(self) -> SourceError | None:
        """Extract every shard that is not done; return the error that stopped the source, if any.

        Raises BackfillCancelled and WarehouseError.
        """
        self._publish_progress()
        try:
            await gather_fail_fast(*(self._worker() for _ in range(self._concurrency)))
        except FATAL_SOURCE_ERRORS as error:
            return error
        return self._quota_error

    async def _worker(self) -> None:
        while self._queue:
            try:
                await self._extract_shard(self._queue.popleft())
            except QuotaExhausted as error:
                # Not raised: that would cancel the requests of the other workers, which are paid for.
                self._quota_error = error
                self._queue.clear()

    async def _extract_shard(self, shard: BackfillShard) -> None:
        """Extract one shard. Raises what stops the whole source, BackfillCancelled and WarehouseError."""
        reason: str | None = "interrupted"  # by a cancellation or a failed write
        sink, tally = ShardSink(self._micro_batches, partial(self._header, shard)), ShardTally(shard.rows)
        longest = longest_time(LISTING_PAGES, self._connector.rate_limiter.per_minute)
        deadline = ShardDeadline(self._clock, longest, self._connector.source)

        async def land(page: SeriesPage) -> None:
            await self._land(shard, sink, tally, page)
            if page.next_cursor is not None:
                deadline.check()

        try:
            await self._connector.extract_series(
                self._series,
                self._clip_to_retention(shard),
                land,
                cursor=shard.cursor,
                number=shard.page,
                providers=self._providers,
            )
            reason = tally.problem
            if reason is not None:
                self.totals.broken.append(f"{shard_label(shard)}: {reason}")
        except FATAL_SOURCE_ERRORS as error:
            reason = str(error)
            raise
        except SourceError as error:
            reason = str(error)
            self.totals.broken.append(f"{shard_label(shard)}: {reason}")
            self._count_failure(error)
        finally:
            sink.close(reason)
        self._backfills.finish_shard(
            self._id, shard.number, "done" if reason is None else "broken", reason=reason
        )
        self._ended += 1
        self._update_progress(shard, 1.0)

    def _count_failure(self, error: SourceError) -> None:
        """Leave the remaining shards to the next run if the source fails again and again."""
        self._consecutive_failures += isinstance(error, TransientError)
        if self._consecutive_failures >= MAX_CONSECUTIVE_FAILURES and self._queue:
            self.totals.broken.append(f"{len(self._queue):,} shards were left: the source does not answer")
            self._queue.clear()

    def _clip_to_retention(self, shard: BackfillShard) -> SeriesShard:
        """Return the shard to request, without the time that the API drops before the extraction ends.

        Raises RequestRejected if that is all of the shard.
        """
        request, start = shard.walk, self._retention_start()
        if start is None or start + RETENTION_MARGIN <= request.start:
            return request
        if start + RETENTION_MARGIN >= request.end:
            raise RequestRejected("the API does not keep this time range any longer", self._connector.source)
        return dataclasses.replace(request, start=start + RETENTION_MARGIN)

    async def _land(self, shard: BackfillShard, sink: ShardSink, tally: ShardTally, page: SeriesPage) -> None:
        writer, reasons = sink.writer(page.rows.height), [reject.reason for reject in page.rejects]
        tally.rows += page.rows.height
        tally.rejects.count(reasons)
        work = partial(self._land_and_record, shard, writer, page, usable=tally.problem is None)
        # A thread cannot be cancelled: wait for its end, because a cancellation closes the sink next.
        running = await run_to_completion(asyncio.to_thread(work))
        self._consecutive_failures = 0
        self.totals.rows += page.rows.height
        self.totals.pages += 1
        self.totals.unknown_fields.add(page.unknown_fields)
        self.totals.unknown_providers.count(r for r in reasons if r.startswith(UNKNOWN_PROVIDER))
        self._update_progress(shard, self._fraction_read(shard, page.oldest))
        if not running:
            raise BackfillCancelled

    def _land_and_record(
        self, shard: BackfillShard, writer: SeriesWriter, page: SeriesPage, *, usable: bool
    ) -> bool:
        """Land a page durably, then record the checkpoint; return False if the backfill was cancelled."""
        meta = SeriesPageMeta(
            number=page.number,
            cursor=page.cursor,
            next_cursor=page.next_cursor,
            observed_at=page.observed_at,
            landed_at=self._clock.now(),
            oldest=page.oldest,
            rows=page.rows.height,
            rejects=tuple((reject.reason, reject.raw) for reject in page.rejects),
        )
        writer.append(meta, page.rows)
        return self._backfills.record_pages(self._id, shard.number, meta, usable=usable)

    def _header(self, shard: BackfillShard, number: int) -> SeriesHeader:
        return SeriesHeader(
            number=number,
            series=self._series,
            backfill_id=self._id,
            shard=shard.number,
            currency=shard.walk.currency,
            provider=shard.walk.provider,
            item=shard.walk.item,
            start=shard.walk.start,
            end=shard.walk.end,
            interval=shard.walk.interval,
        )

    def _fraction_read(self, shard: BackfillShard, oldest: datetime | None) -> float:
        """Return how much of a shard's time range is read, newest first; without pages it comes at once."""
        if oldest is None or self._series in ANSWERED_AT_ONCE:
            return 0.0
        start, end = shard.ask.start, shard.ask.end
        return min(max((end - oldest) / (end - start), 0.0), 1.0)

    def _update_progress(self, shard: BackfillShard, fraction: float) -> None:
        """Raise the fraction of a shard that is read; the fraction never decreases."""
        increase = max(fraction - self._fractions[shard.number], 0.0)
        self._fractions[shard.number] += increase
        self._fraction_sum += increase
        self._publish_progress()

    def _publish_progress(self) -> None:
        self._progress.update(
            ProgressUpdate(
                shards=self._shards,
                ended=self._ended,
                fraction=self._fraction_sum / self._shards if self._shards else 1.0,
                rows=self.totals.rows,
                requests=self._micro_batches.requests_sent(),
                quota_remaining=self._read_quota(),
                backfill_id=self._id,
            )
        )

    def _read_quota(self) -> int | None:
        """Return the month's remaining quota; all processes share it, so read it once per interval."""
        now = self._clock.monotonic()
        if now - self._quota_checked_at >= PROGRESS_INTERVAL:
            self._quota_checked_at, self._quota_remaining = now, self._connector.quota_remaining
        return self._quota_remaining


def shard_label(shard: BackfillShard) -> str:
    """Return the name of a shard in messages: number, item, provider and time range."""
    query, name = shard.ask, "everything"
    if query.item is not None:
        name = sanitize(query.item.label, 400)
    where = f" at {sanitize(escape(query.provider))}" if query.provider else ""
    return f"#{shard.number} {name}{where}, {query.start:%Y-%m-%d %H:%M} to {query.end:%Y-%m-%d %H:%M} UTC"
