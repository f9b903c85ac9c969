"""Backfills for the warehouse's tests: shards, the marks of their pages, and landings of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl

from common.shards import SeriesShard
from common.time_ranges import TimeRange
from tests.support.clocks import NOON
from tests.support.warehouse import header, name_of
from warehouse.landing.series import SCHEMAS, SeriesHeader, SeriesPageMeta, SeriesWriter
from warehouse.landing.writer import LandingWriter
from warehouse.paths import WarehousePaths
from warehouse.state.backfill_rows import BackfillRecord
from warehouse.state.backfills import BackfillStore

GRID = timedelta(minutes=5)
EMPTY: pl.DataFrame = pl.from_arrow(SCHEMAS["points"].empty_table())  # type: ignore[assignment]


def before(minutes: float) -> datetime:
    """The moment so many minutes before noon."""
    return NOON - timedelta(minutes=minutes)


def wanted(item: str | None = "1", **told: Any) -> SeriesShard:
    """A shard for the hour before noon."""
    named = None if item is None else (item, name_of(item), None)
    return SeriesShard(**{"currency": "USD", "start": before(60), "end": NOON, "item": named, **told})


def mark(number: int, *, last: bool = False, oldest: datetime | None = None, **told: Any) -> SeriesPageMeta:
    """A page of ten rows, read at noon, ten minutes of the past each."""
    usual: dict[str, Any] = {
        "cursor": f"c{number}" if number else None,
        "next_cursor": None if last else f"c{number + 1}",
        "observed_at": NOON,
        "landed_at": NOON,
        "oldest": oldest or before(10 * (number + 1)),
        "rows": 10,
    }
    return SeriesPageMeta(number=number, **{**usual, **told})


def begin(backfills: BackfillStore, *shards: SeriesShard, digest: str = "d", **told: Any) -> BackfillRecord:
    """Open a backfill of points."""
    usual = {"series": "points", "source": "cs2cap", "request": {"items": ["1"]}, "cost": (1, 10)}
    return backfills.begin_or_find(digest, shards=shards or (wanted(),), **{**usual, **told})


def read(backfills: BackfillStore, *shards: SeriesShard, **told: Any) -> BackfillRecord:
    """A backfill of which every shard was read by one page."""
    observed = told.pop("observed_at", NOON)
    digest = f"{len(backfills.list_all())}"
    begun = begin(backfills, *shards, digest=digest, **told)
    for shard in backfills.list_shards(begun.backfill_id):
        backfills.record_pages(begun.backfill_id, shard.number, mark(0, last=True, observed_at=observed))
    return backfills.finish(begun.backfill_id, "done")


def land_pages(
    home: WarehousePaths,
    run_id: str,
    backfill_id: str,
    pages: dict[int, Sequence[SeriesPageMeta]],
    *,
    complete: Iterable[int] = (),
    flow: str = "backfill",
) -> Path:
    """Land one leg: the pages of each shard, without rows; only `complete` shards say how they ended."""
    run = header(run_id, NOON, flow=flow, basket=backfill_id)
    whole = set(complete)
    with LandingWriter(home.landing, run) as landing:
        for place, (shard, marks) in enumerate(pages.items(), 1):
            named = wanted()
            writer = SeriesWriter(
                landing.folder,
                SeriesHeader(
                    place,
                    "points",
                    backfill_id,
                    shard,
                    named.currency,
                    None,
                    named.item,
                    named.start,
                    named.end,
                ),
            )
            for one in marks:
                writer.append(one, EMPTY)
            if shard in whole:
                writer.finish(complete=True, reason=None)
    return landing.folder


def spans(*bounds: float) -> list[TimeRange]:
    """Spans by pairs of minutes before noon."""
    pairs = zip(bounds[::2], bounds[1::2], strict=True)
    return [(before(start), before(end)) for start, end in pairs]
