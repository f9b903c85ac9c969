"""Backfills for tests of the warehouse: shards, the metadata of their pages, and their landings."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl

from common.shards import Item, SeriesShard
from common.time_ranges import TimeRange
from tests.support.clocks import NOON
from tests.support.warehouse import item_name, run_header
from warehouse.landing.series import SCHEMAS, SeriesHeader, SeriesPageMeta, SeriesWriter
from warehouse.landing.writer import LandingWriter
from warehouse.paths import WarehousePaths
from warehouse.state.backfill_rows import BackfillRecord
from warehouse.state.backfills import BackfillStore

NO_ROWS: pl.DataFrame = pl.from_arrow(SCHEMAS["points"].empty_table())  # type: ignore[assignment]


def before(minutes: float) -> datetime:
    """Return the time so many minutes before noon."""
    return NOON - timedelta(minutes=minutes)


def spans(*bounds: float) -> list[TimeRange]:
    """Return time ranges by their bounds in minutes before noon: start, end, start, end, ..."""
    pairs = zip(bounds[::2], bounds[1::2], strict=True)
    return [(before(start), before(end)) for start, end in pairs]


def series_shard(item_id: str | None = "1", **fields: Any) -> SeriesShard:
    """Return a shard of the hour before noon, of one item or of all items."""
    item = None if item_id is None else Item(item_id, item_name(item_id), None)
    return SeriesShard(**{"currency": "USD", "start": before(60), "end": NOON, "item": item, **fields})


def page_meta(
    number: int, *, last: bool = False, oldest: datetime | None = None, **fields: Any
) -> SeriesPageMeta:
    """Return the metadata of a page of ten rows, read and landed at noon; each page covers ten minutes."""
    defaults: dict[str, Any] = {
        "cursor": f"c{number}" if number else None,
        "next_cursor": None if last else f"c{number + 1}",
        "observed_at": NOON,
        "landed_at": fields.get("observed_at", NOON),
        "oldest": oldest or before(10 * (number + 1)),
        "rows": 10,
    }
    return SeriesPageMeta(number=number, **{**defaults, **fields})


def begin_backfill(
    backfills: BackfillStore, *shards: SeriesShard, digest: str = "d", **fields: Any
) -> BackfillRecord:
    """Begin a backfill of points."""
    defaults = {"series": "points", "source": "cs2cap", "request": {"items": ["1"]}, "cost": (1, 10)}
    return backfills.begin_or_find(digest, shards=shards or (series_shard(),), **{**defaults, **fields})


def finished_backfill(
    backfills: BackfillStore, *shards: SeriesShard, observed_at: datetime = NOON, **fields: Any
) -> BackfillRecord:
    """Begin a backfill and finish it with one page per shard."""
    digest = f"{len(backfills.list_all())}"
    record = begin_backfill(backfills, *shards, digest=digest, **fields)
    for shard in backfills.list_shards(record.backfill_id):
        page = page_meta(0, last=True, observed_at=observed_at)
        backfills.record_pages(record.backfill_id, shard.number, page)
    return backfills.finish(record.backfill_id, "done")


def land_pages(
    paths: WarehousePaths,
    run_id: str,
    backfill_id: str,
    pages: Mapping[int, Sequence[SeriesPageMeta]],
    *,
    complete: Collection[int] = (),
    flow: str = "backfill",
) -> Path:
    """Land one micro-batch: pages without rows by shard; only the `complete` shards are finished."""
    run = run_header(run_id, NOON, flow=flow, basket=backfill_id)
    shard = series_shard()
    with LandingWriter(paths.landing, run) as landing:
        for number, (shard_number, shard_pages) in enumerate(pages.items(), 1):
            shard_header = SeriesHeader(
                number=number,
                series="points",
                backfill_id=backfill_id,
                shard=shard_number,
                currency=shard.currency,
                provider=None,
                item=shard.item,
                start=shard.start,
                end=shard.end,
            )
            writer = SeriesWriter(landing.folder, shard_header)
            for page in shard_pages:
                writer.append(page, NO_ROWS)
            if shard_number in complete:
                writer.finish(complete=True, reason=None)
    return landing.folder
