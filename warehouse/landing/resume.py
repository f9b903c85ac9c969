"""Find the pages of an interrupted run that the next run need not fetch again."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import groupby
from pathlib import Path

import polars as pl

from common.clock import elapsed
from warehouse.landing.conversion import no_parser
from warehouse.landing.inventory import is_being_written, list_landings, read_landings
from warehouse.landing.model import PageMeta, ShardHeader
from warehouse.landing.ndjson import LandedRawShard, RowParser
from warehouse.landing.reader import (
    CorruptLanding,
    LandedRun,
    LandedShard,
    read_run,
    refuse_corrupt_files,
)

INTERRUPTED = frozenset({"crashed", "cancelled", "auth_failed"})


def find_interrupted_run(root: Path, source: str, basket: str) -> LandedRun | None:
    """Return the newest landing of a basket, if that run was interrupted."""
    newest = next(_landings_of(root, source, basket), None)
    with contextlib.suppress(CorruptLanding):
        run = None if newest is None else read_run(newest)
        return run if run is not None and run.done["state"] in INTERRUPTED else None
    return None


def _landings_of(root: Path, source: str, basket: str) -> Iterator[Path]:
    """Yield the landings of a basket that nobody writes, the newest first, without a look at older ones.

    The name of a landing begins with the second of its start.
    """
    for _, folders in groupby(reversed(list_landings(root)), lambda folder: folder.name.partition("-")[0]):
        for landing in reversed(read_landings([*folders], on_corrupt=lambda _: None)):
            named = landing.header.source, landing.header.basket
            if named == (source, basket) and not is_being_written(landing.folder):
                yield landing.folder


def reusable_pages(
    run: LandedRun,
    header: ShardHeader,
    *,
    now: datetime,
    lifetime: timedelta,
    row_parser: RowParser = no_parser,
) -> list[tuple[PageMeta, pl.DataFrame]]:
    """Return the pages that an interrupted run landed for the same request less than `lifetime` ago.

    The age counts by this machine's clock. Pages with rejects are left out: without their rejects, the quotes
    of those rows would seem to have vanished. A streamed response has none: the next one is another snapshot.
    `row_parser` parses raw rows.
    """
    request = dataclasses.replace(header, number=0)
    same = [shard for shard in run.all_shards if dataclasses.replace(shard.header, number=0) == request]
    for shard in same[:1]:
        with contextlib.suppress(CorruptLanding), refuse_corrupt_files(run.folder):  # fetched again then
            return [page for page in _pages(shard, row_parser) if elapsed(page[0].landed_at, now) < lifetime]
    return []


def _pages(
    shard: LandedShard | LandedRawShard, row_parser: RowParser
) -> Iterator[tuple[PageMeta, pl.DataFrame]]:
    if isinstance(shard, LandedShard):
        for meta, batch in shard.pages_without_rejects():
            yield meta, pl.DataFrame(batch)
    elif shard.head.paged:
        current = {(meta.request, meta.offset): (meta, rows) for meta, rows, _ in row_parser(shard)}
        yield from ((meta, rows) for meta, rows in current.values() if not meta.rejects)
