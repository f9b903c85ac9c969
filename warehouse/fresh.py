"""What an interrupted run left fresh: pages that need not be fetched again."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import polars as pl
import pyarrow as pa

from warehouse.landed import LandedRun, LandedShard, Unreadable, is_alive, kept, read_header, read_run
from warehouse.lines import LandedLines, Retype
from warehouse.marks import PageMark, ShardHeader
from warehouse.retype import nobody

INTERRUPTED = frozenset({"crashed", "cancelled", "auth_failed"})
Fresh = list[tuple[PageMark, pl.DataFrame]]


def interrupted(root: Path, source: str, basket: str) -> LandedRun | None:
    """The basket's newest landing, if something stopped that run before it was through."""
    mine = []
    for folder in kept(root):
        with contextlib.suppress(ValueError, LookupError, TypeError):
            header = read_header(folder)
            if (header.source, header.basket) == (source, basket) and not is_alive(folder):
                mine.append((header.started_at, folder))
    with contextlib.suppress(Unreadable):
        run = read_run(max(mine)[1]) if mine else None
        return run if run is not None and run.done["state"] in INTERRUPTED else None
    return None


def fresh_pages(
    run: LandedRun, header: ShardHeader, now: datetime, lifetime: timedelta, retype: Retype = nobody
) -> Fresh:
    """Pages that an interrupted run landed for the same question and that would still be answered alike.

    `lifetime` is counted by this machine's clock, from the landing of each page. Pages with rejects are not
    among them: without their rejects, rows that did not fit would be taken for vanished. Of the parts of one
    stream there are none: the next one is another snapshot. `retype` reads rows that lie there as they came.
    """
    asked = dataclasses.replace(header, number=0)
    shards: list[LandedShard | LandedLines] = [*run.shards, *run.lines]
    alike = [shard for shard in shards if dataclasses.replace(shard.header, number=0) == asked]
    for shard in alike[:1]:
        with contextlib.suppress(Unreadable):  # then all of it is fetched again
            return [(mark, rows) for mark, rows in _pages(shard, retype) if now - mark.landed_at < lifetime]
    return []


def _pages(shard: LandedShard | LandedLines, retype: Retype) -> Iterator[tuple[PageMark, pl.DataFrame]]:
    if isinstance(shard, LandedShard):
        yield from ((mark, _frame(batch)) for mark, batch in shard.sound())
    elif shard.head.paged:
        newest = {(mark.request, mark.offset): (mark, rows) for mark, rows, _ in retype(shard)}
        yield from ((mark, rows) for mark, rows in newest.values() if not mark.rejects)


def _frame(batch: pa.RecordBatch) -> pl.DataFrame:
    frame = pl.from_arrow(batch)
    assert isinstance(frame, pl.DataFrame)  # noqa: S101 - a batch is a frame; this tells the type checker
    return frame
