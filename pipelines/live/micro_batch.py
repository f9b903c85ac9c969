"""A micro-batch: the landing of what a feed told in a few seconds, an ordinary run of the flow `live`."""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final, Self

from common.field_counts import FieldCounts
from connectors.cs2cap.feed import FeedEvent, FeedRow, to_quotes
from pipelines.config import BasketSettings
from warehouse.landing.inventory import LIVE
from warehouse.landing.model import PageMeta, RunHeader, ShardHeader
from warehouse.landing.writer import LandingWriter
from warehouse.paths import WarehousePaths

REASON: Final = "a feed tells of changes only"
_Key = tuple[str, int, str | None]


def live_header(basket: BasketSettings, run_id_at: datetime, started_at: datetime) -> RunHeader:
    """Return the header of a new run of the flow `live`."""
    return RunHeader(
        run_id=f"{run_id_at:%Y%m%dT%H%M%SZ}-{LIVE}{secrets.token_hex(4)}",
        flow="live",
        source=basket.source,
        basket=basket.name,
        started_at=started_at,
        interval_seconds=int(basket.every.total_seconds()),
    )


def land_span(
    paths: WarehousePaths,
    basket: BasketSettings,
    span: tuple[datetime, datetime],
    *,
    state: str,
    reason: str | None,
) -> str:
    """Land a run of the flow `live` without rows: a feed was heard, or was not; return its id."""
    header = live_header(basket, span[1], span[0])
    with LandingWriter(paths.landing, header) as landing:
        landing.finish(state, finished_at=span[1], incomplete_reason=reason)
    return header.run_id


class MicroBatch:
    """One landing of the changes of one side of a basket, from the first event on.

    A load keeps one row of each quote: a further change of it belongs into another micro-batch.
    """

    def __init__(self, paths: WarehousePaths, basket: BasketSettings, delivery: str, now: datetime) -> None:
        self._delivery = delivery
        self._landing = LandingWriter(paths.landing, live_header(basket, now, now))
        self._known: dict[_Key, tuple[FeedRow, datetime]] = {}
        self._unknown_fields = FieldCounts()
        self._pages = itertools.count()

    def __enter__(self) -> Self:
        self._landing.__enter__()
        self._shard = self._landing.open_shard(
            ShardHeader(1, "USD", (self._delivery,), providers=(), items=None, live=True)
        )
        return self

    def __exit__(self, *_: object) -> None:
        self._landing.__exit__()

    def accept(self, event: FeedEvent) -> tuple[FeedEvent, FeedEvent]:
        """Return what of an event is new here, and what is told anew of quotes that this batch has.

        A row that repeats one of this batch is in neither.
        """
        new, again = {}, []
        for row in event.rows:
            key = event.provider, row.item_id, row.phase or None
            known = self._known.get(key)
            if known is None:
                new[key] = row, event.seen_at
            elif known != (row, event.seen_at):
                again.append(row)
        self._known |= new
        rows = tuple(row for row, _ in new.values())
        return (
            FeedEvent(event.provider, event.seen_at, rows, event.rejects, event.unknown_fields),
            FeedEvent(event.provider, event.seen_at, tuple(again), (), {}),
        )

    def write(self, events: Sequence[FeedEvent], now: datetime) -> None:
        """Append accepted events, durable on return. Raises WarehouseError."""
        for event in events:
            self._unknown_fields.add(event.unknown_fields)
        self._shard.append_all(
            [(self._meta(page, now), to_quotes(page, self._delivery)) for page in _pages(events)]
        )

    def finish(self, now: datetime, *, requests: int) -> None:
        """Finish the landing, which can be loaded then. Raises WarehouseFull."""
        self._shard.finish(complete=False, reason=REASON, unknown_fields=dict(self._unknown_fields))
        self._landing.finish("done", finished_at=now, requests=requests)

    def _meta(self, page: Sequence[FeedEvent], now: datetime) -> PageMeta:
        return PageMeta(
            request=0,
            offset=next(self._pages),
            total=-1,
            observed_at=page[0].seen_at,
            landed_at=now,
            fingerprint="",
            rejects=tuple((each.reason, each.raw) for event in page for each in event.rejects),
        )


def _pages(events: Sequence[FeedEvent]) -> Iterator[list[FeedEvent]]:
    """Yield the events of one time together: a page has one time."""
    for _, page in itertools.groupby(events, key=lambda event: event.seen_at):
        yield list(page)
