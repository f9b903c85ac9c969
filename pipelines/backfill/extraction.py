"""The walks of a backfill's shards: side by side, their pages serial, each on disk before it is noted."""

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
from connectors.cs2cap.connector import CS2Cap
from connectors.series import Series, SeriesPage
from pipelines.backfill.micro_batches import MicroBatchWriter, ShardSink
from pipelines.backfill.progress import BackfillProgress, ProgressUpdate
from pipelines.backfill.results import ExtractTotals
from pipelines.snapshot.extraction import FATAL_SOURCE_ERRORS
from warehouse.landing.series import SeriesHeader, SeriesPageMeta, SeriesWriter
from warehouse.state.backfill_rows import BackfillRecord, BackfillShard
from warehouse.state.backfills import BackfillStore

UNKNOWN_PROVIDER: Final = "unknown provider"
# What is about to be dropped by the API would end a walk before it is through.
RETENTION_MARGIN: Final = timedelta(minutes=15)
# So many walks that a source ended one after another, without a page between them: it is down.
MAX_CONSECUTIVE_FAILURES: Final = 20
PROGRESS_INTERVAL: Final = 1.0  # seconds


class BackfillCancelled(Exception):
    """Somebody cancelled this backfill."""


class ShardExtractor:
    """Walks the shards of one backfill, so many `at_once`; `providers` maps names and keys to keys.

    `kept_since` tells since when (UTC) the API keeps the series at this moment, None: since ever.
    """

    def __init__(  # noqa: PLR0913 - what a walk stands on
        self,
        record: BackfillRecord,
        shards: Sequence[BackfillShard],
        books: BackfillStore,
        connector: CS2Cap,
        providers: Mapping[str, str],
        *,
        legs: MicroBatchWriter,
        clock: Clock,
        progress: BackfillProgress,
        kept_since: Callable[[], datetime | None],
        at_once: int,
    ) -> None:
        self._id = record.backfill_id
        self._series = cast("Series", record.series)
        self._books = books
        self._connector = connector
        self._providers = providers
        self._legs = legs
        self._clock = clock
        self._progress = progress
        self._kept_since = kept_since
        self._at_once = at_once
        self._queue = deque(shard for shard in shards if shard.state != "done")
        self._ended = len(shards) - len(self._queue)
        self._read = {shard.number: self._fraction_read(shard.ask, shard.oldest) for shard in self._queue}
        self._share_read = self._ended + sum(self._read.values())
        self._shards = len(shards)
        self._used_up: QuotaExhausted | None = None
        self._in_vain = 0
        self._left: tuple[float, int | None] = -PROGRESS_INTERVAL, None
        self.brought = ExtractTotals()

    async def run(self) -> SourceError | None:
        """Walk every shard that has not ended; what stopped the source, if anything did.

        Raises GivenUp where somebody cancelled the backfill, and WarehouseError.
        """
        self._publish_progress()
        try:
            await gather_fail_fast(*(self._worker() for _ in range(self._at_once)))
        except FATAL_SOURCE_ERRORS as error:
            return error
        return self._used_up

    async def _worker(self) -> None:
        while self._queue:
            try:
                await self._extract_shard(self._queue.popleft())
            except QuotaExhausted as error:
                # the others go on to their next request: what is under way was paid for
                self._used_up = error
                self._queue.clear()

    async def _extract_shard(self, shard: BackfillShard) -> None:
        """Walk one shard. Only what stops the whole source, or the disk, is raised."""
        reason: str | None = "interrupted"
        place = ShardSink(self._legs, partial(self._header, shard))
        try:
            await self._connector.extract_series(
                self._series,
                self._clip_to_retention(shard),
                partial(self._land, shard, place),
                cursor=shard.cursor,
                number=shard.page,
                providers=self._providers,
            )
            reason = None
        except FATAL_SOURCE_ERRORS as error:
            reason = str(error)
            raise
        except SourceError as error:
            reason = str(error)
            self.brought.broken.append(f"{shard_label(shard)}: {reason}")
            self._failed(error)
        finally:
            place.close(reason)
        self._end(shard, reason)

    def _failed(self, error: SourceError) -> None:
        """Leave the rest for the next run where the source has failed again and again."""
        self._in_vain += isinstance(error, TransientError)
        if self._in_vain >= MAX_CONSECUTIVE_FAILURES and self._queue:
            self.brought.broken.append(f"{len(self._queue):,} shards were left: the source does not answer")
            self._queue.clear()

    def _clip_to_retention(self, shard: BackfillShard) -> SeriesShard:
        """What to ask for, less what the API will have dropped before the walk's end.

        Raises RequestRejected where that is all of it.
        """
        ask, since = shard.walk, self._kept_since()
        if since is None or since + RETENTION_MARGIN <= ask.start:
            return ask
        if since + RETENTION_MARGIN >= ask.end:
            raise RequestRejected("the API keeps it no longer", self._connector.source)
        return dataclasses.replace(ask, start=since + RETENTION_MARGIN)

    def _end(self, shard: BackfillShard, reason: str | None) -> None:
        """Note that a shard is whole, or broken for a `reason`."""
        self._books.finish_shard(self._id, shard.number, "done" if reason is None else "broken", reason)
        self._ended += 1
        self._note(shard, 1.0)

    async def _land(self, shard: BackfillShard, place: ShardSink, page: SeriesPage) -> None:
        writer = place.writer(page.rows.height)
        goes_on = await run_to_completion(asyncio.to_thread(self._land_and_record, shard, writer, page))
        self._in_vain = 0
        brought = self.brought
        brought.rows += page.rows.height
        brought.pages += 1
        brought.unknown_fields.update(page.unknown_fields)
        brought.strangers.update(r.reason for r in page.rejects if r.reason.startswith(UNKNOWN_PROVIDER))
        self._note(shard, self._fraction_read(shard.ask, page.oldest))
        if not goes_on:
            raise BackfillCancelled

    def _land_and_record(self, shard: BackfillShard, writer: SeriesWriter, page: SeriesPage) -> bool:
        """Have a page on disk, then note it; whether the backfill goes on."""
        rejects = tuple((reject.reason, reject.raw) for reject in page.rejects)
        mark = SeriesPageMeta(
            number=page.number,
            cursor=page.cursor,
            next_cursor=page.next_cursor,
            observed_at=page.observed_at,
            landed_at=self._clock.now(),
            oldest=page.oldest,
            rows=page.rows.height,
            rejects=rejects,
        )
        writer.append(mark, page.rows)
        return self._books.record_pages(self._id, shard.number, mark)

    def _header(self, shard: BackfillShard, number: int) -> SeriesHeader:
        ask = shard.walk
        return SeriesHeader(
            number,
            self._series,
            self._id,
            shard.number,
            *(ask.currency, ask.provider, ask.item, ask.start, ask.end, ask.interval),
        )

    def _fraction_read(self, ask: SeriesShard, oldest: datetime | None) -> float:
        """How much of a shard's time is read, newest first; candles come all at once."""
        if oldest is None or self._series == "candles":
            return 0.0
        return min(max((ask.end - oldest) / (ask.end - ask.start), 0.0), 1.0)

    def _note(self, shard: BackfillShard, share: float) -> None:
        """Note how much of a shard is read; it never becomes less."""
        more = max(share - self._read[shard.number], 0.0)
        self._read[shard.number] += more
        self._share_read += more
        self._publish_progress()

    def _publish_progress(self) -> None:
        self._progress.update(
            ProgressUpdate(
                shards=self._shards,
                ended=self._ended,
                share=self._share_read / self._shards if self._shards else 1.0,
                rows=self.brought.rows,
                requests=self._legs.sent(),
                left=self._month_left(),
            )
        )

    def _month_left(self) -> int | None:
        """What is left of the month; all processes of the key share it, so it is looked up now and then."""
        now = self._clock.monotonic()
        if now - self._left[0] >= PROGRESS_INTERVAL:
            self._left = now, self._connector.quota_remaining
        return self._left[1]


def shard_label(shard: BackfillShard) -> str:
    """What a shard is called where people read it."""
    ask = shard.ask
    item = "everything" if ask.item is None else f"{ask.item[1]}{f' ({ask.item[2]})' if ask.item[2] else ''}"
    where = f" at {ask.provider}" if ask.provider else ""
    return f"#{shard.number} {item}{where}, {ask.start:%Y-%m-%d %H:%M} to {ask.end:%Y-%m-%d %H:%M} UTC"
