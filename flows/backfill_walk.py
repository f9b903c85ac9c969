"""The walks of a backfill's shards: side by side, their pages serial, each on disk before it is noted."""

from __future__ import annotations

import asyncio
import dataclasses
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Final, cast

from connectors.clock import Clock
from connectors.cs2cap import CS2Cap
from connectors.errors import FloorlineError, QuotaExhausted, RequestRejected, Transient
from connectors.plan import Item
from connectors.series import Interval, Series, SeriesAsk, SeriesPage
from connectors.shielded import to_the_end
from flows.backfill_legs import Legs, Place
from flows.backfill_progress import BackfillProgress, Standing
from flows.backfill_results import Brought
from flows.fetch import STOPS_SOURCE
from flows.together import together
from warehouse.backfills import Backfill, Backfills, Shard, ShardAsk
from warehouse.series import SeriesHeader, SeriesMark, SeriesWriter

UNKNOWN: Final = "unknown provider"
# What is about to be dropped by the API would end a walk before it is through.
DROPPED: Final = timedelta(minutes=15)
# So many walks that a source ended one after another, without a page between them: it is down.
IN_VAIN: Final = 20
TELL_EVERY: Final = 1.0  # seconds


class GivenUp(Exception):  # noqa: N818 - says what happened
    """Somebody cancelled this backfill."""


class Walks:
    """Walks the shards of one backfill, so many `at_once`; `providers` maps names and keys to keys.

    `kept_since` tells since when (UTC) the API keeps the series at this moment, None: since ever.
    """

    def __init__(  # noqa: PLR0913 - what a walk stands on
        self,
        record: Backfill,
        shards: Sequence[Shard],
        books: Backfills,
        connector: CS2Cap,
        providers: Mapping[str, str],
        *,
        legs: Legs,
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
        self._read = {shard.number: self._share(shard.ask, shard.oldest) for shard in self._queue}
        self._share_read = self._ended + sum(self._read.values())
        self._shards = len(shards)
        self._used_up: QuotaExhausted | None = None
        self._in_vain = 0
        self._left: tuple[float, int | None] = -TELL_EVERY, None
        self.brought = Brought()

    async def run(self) -> FloorlineError | None:
        """Walk every shard that has not ended; what stopped the source, if anything did.

        Raises GivenUp where somebody cancelled the backfill, and WarehouseError.
        """
        self._tell()
        try:
            await together(*(self._one_after_another() for _ in range(self._at_once)))
        except STOPS_SOURCE as error:
            return error
        return self._used_up

    async def _one_after_another(self) -> None:
        while self._queue:
            try:
                await self._walk(self._queue.popleft())
            except QuotaExhausted as error:
                # the others go on to their next request: what is under way was paid for
                self._used_up = error
                self._queue.clear()

    async def _walk(self, shard: Shard) -> None:
        """Walk one shard. Only what stops the whole source, or the disk, is raised."""
        reason: str | None = "interrupted"
        place = Place(self._legs, partial(self._header, shard))
        try:
            await self._connector.walk_series(
                self._question(shard),
                partial(self._land, shard, place),
                cursor=shard.cursor,
                number=shard.page,
                providers=self._providers,
            )
            reason = None
        except STOPS_SOURCE as error:
            reason = str(error)
            raise
        except FloorlineError as error:
            reason = str(error)
            self.brought.broken.append(f"{label(shard)}: {reason}")
            self._failed(error)
        finally:
            place.close(reason)
        self._end(shard, reason)

    def _failed(self, error: FloorlineError) -> None:
        """Leave the rest for the next run where the source has failed again and again."""
        self._in_vain += isinstance(error, Transient)
        if self._in_vain >= IN_VAIN and self._queue:
            self.brought.broken.append(f"{len(self._queue):,} shards were left: the source does not answer")
            self._queue.clear()

    def _question(self, shard: Shard) -> SeriesAsk:
        """What to ask for, less what the API will have dropped before the walk's end.

        Raises RequestRejected where that is all of it.
        """
        ask, since = series_ask(shard.walk, self._series), self._kept_since()
        if since is None or since + DROPPED <= ask.start:
            return ask
        if since + DROPPED >= ask.end:
            raise RequestRejected("the API keeps it no longer", self._connector.source)
        return dataclasses.replace(ask, start=since + DROPPED)

    def _end(self, shard: Shard, reason: str | None) -> None:
        """Note that a shard is whole, or broken for a `reason`."""
        self._books.ended(self._id, shard.number, "done" if reason is None else "broken", reason)
        self._ended += 1
        self._note(shard, 1.0)

    async def _land(self, shard: Shard, place: Place, page: SeriesPage) -> None:
        writer = place.writer(page.rows.height)
        goes_on = await to_the_end(asyncio.to_thread(self._keep, shard, writer, page))
        self._in_vain = 0
        brought = self.brought
        brought.rows += page.rows.height
        brought.pages += 1
        brought.unknown_fields.update(page.unknown_fields)
        brought.strangers.update(r.reason for r in page.rejects if r.reason.startswith(UNKNOWN))
        self._note(shard, self._share(shard.ask, page.oldest))
        if not goes_on:
            raise GivenUp

    def _keep(self, shard: Shard, writer: SeriesWriter, page: SeriesPage) -> bool:
        """Have a page on disk, then note it; whether the backfill goes on."""
        rejects = tuple((reject.reason, reject.raw) for reject in page.rejects)
        mark = SeriesMark(
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
        return self._books.landed(self._id, shard.number, mark)

    def _header(self, shard: Shard, number: int) -> SeriesHeader:
        ask = shard.walk
        return SeriesHeader(
            number,
            self._series,
            self._id,
            shard.number,
            *(ask.currency, ask.provider, ask.item, ask.start, ask.end, ask.interval),
        )

    def _share(self, ask: ShardAsk, oldest: datetime | None) -> float:
        """How much of a shard's time is read, newest first; candles come all at once."""
        if oldest is None or self._series == "candles":
            return 0.0
        return min(max((ask.end - oldest) / (ask.end - ask.start), 0.0), 1.0)

    def _note(self, shard: Shard, share: float) -> None:
        """Note how much of a shard is read; it never becomes less."""
        more = max(share - self._read[shard.number], 0.0)
        self._read[shard.number] += more
        self._share_read += more
        self._tell()

    def _tell(self) -> None:
        self._progress.stands(
            Standing(
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
        if now - self._left[0] >= TELL_EVERY:
            self._left = now, self._connector.quota_remaining
        return self._left[1]


def series_ask(ask: ShardAsk, series: Series) -> SeriesAsk:
    """A shard's question in the connectors' words."""
    return SeriesAsk(
        series=series,
        item=None if ask.item is None else Item(*ask.item),
        provider=ask.provider,
        currency=ask.currency,
        start=ask.start,
        end=ask.end,
        interval=cast("Interval | None", ask.interval),
        lookback=ask.lookback,
    )


def label(shard: Shard) -> str:
    """What a shard is called where people read it."""
    ask = shard.ask
    item = "everything" if ask.item is None else f"{ask.item[1]}{f' ({ask.item[2]})' if ask.item[2] else ''}"
    where = f" at {ask.provider}" if ask.provider else ""
    return f"#{shard.number} {item}{where}, {ask.start:%Y-%m-%d %H:%M} to {ask.end:%Y-%m-%d %H:%M} UTC"
