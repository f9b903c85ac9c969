"""What an interrupted run left fresh: pages that need not be fetched again."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import polars as pl
import pyarrow as pa

from warehouse.landing.conversion import no_parser
from warehouse.landing.model import PageMeta, ShardHeader
from warehouse.landing.ndjson import LandedRawShard, RowParser
from warehouse.landing.reader import (
    CorruptLanding,
    LandedRun,
    LandedShard,
    is_being_written,
    list_landings,
    read_header,
    read_run,
)

INTERRUPTED = frozenset({"crashed", "cancelled", "auth_failed"})
ReusablePages = list[tuple[PageMeta, pl.DataFrame]]


def find_interrupted_run(root: Path, source: str, basket: str) -> LandedRun | None:
    """The basket's newest landing, if something stopped that run before it was through."""
    mine = []
    for folder in list_landings(root):
        with contextlib.suppress(ValueError):
            header = read_header(folder)
            if (header.source, header.basket) == (source, basket) and not is_being_written(folder):
                mine.append((header.started_at, folder))
    with contextlib.suppress(CorruptLanding):
        run = read_run(max(mine)[1]) if mine else None
        return run if run is not None and run.done["state"] in INTERRUPTED else None
    return None


def reusable_pages(
    run: LandedRun, header: ShardHeader, now: datetime, lifetime: timedelta, retype: RowParser = no_parser
) -> ReusablePages:
    """Pages that an interrupted run landed for the same question and that would still be answered alike.

    `lifetime` is counted by this machine's clock, from the landing of each page. Pages with rejects are not
    among them: without their rejects, rows that did not fit would be taken for vanished. Of the parts of one
    stream there are none: the next one is another snapshot. `retype` reads rows that lie there as they came.
    """
    asked = dataclasses.replace(header, number=0)
    shards: list[LandedShard | LandedRawShard] = [*run.shards, *run.lines]
    alike = [shard for shard in shards if dataclasses.replace(shard.header, number=0) == asked]
    for shard in alike[:1]:
        with contextlib.suppress(CorruptLanding):  # then all of it is fetched again
            return [(mark, rows) for mark, rows in _pages(shard, retype) if now - mark.landed_at < lifetime]
    return []


def _pages(shard: LandedShard | LandedRawShard, retype: RowParser) -> Iterator[tuple[PageMeta, pl.DataFrame]]:
    if isinstance(shard, LandedShard):
        yield from ((mark, _frame(batch)) for mark, batch in shard.pages_without_rejects())
    elif shard.head.paged:
        newest = {(mark.request, mark.offset): (mark, rows) for mark, rows, _ in retype(shard)}
        yield from ((mark, rows) for mark, rows in newest.values() if not mark.rejects)


def _frame(batch: pa.RecordBatch) -> pl.DataFrame:
    frame = pl.from_arrow(batch)
    assert isinstance(frame, pl.DataFrame)  # noqa: S101 - a batch is a frame; this tells the type checker
    return frame
