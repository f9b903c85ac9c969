"""Bringing backfills in `state.db` in line with their landings, which are the truth."""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

from warehouse.landing.reader import CorruptLanding, list_landings, read_header
from warehouse.landing.series import LandedSeries, read_series
from warehouse.paths import WarehousePaths
from warehouse.state.backfill_rows import BackfillRecord
from warehouse.state.backfills import BackfillStore

FLOWS = frozenset({"backfill", "sales"})


def recover_progress(home: WarehousePaths, backfills: BackfillStore, backfill_id: str) -> BackfillRecord:
    """Note every whole page that the landings of a backfill hold, loaded or not; the backfill as it is then.

    Call it under `Backfills.hold`, before the first page. A landing that cannot be read counts for nothing:
    what it brought is fetched again. Raises NoBackfill.
    """
    backfill = backfills.get(backfill_id)
    landed = list(_landed(home, backfill))
    for number in sorted({series.header.shard for series in landed}):
        mine = [series for series in landed if series.header.shard == number]
        marks = sorted((mark for series in mine for mark in series.pages), key=lambda mark: mark.number)
        backfills.record_pages(backfill_id, number, *marks)
        if any(series.complete for series in mine):
            backfills.finish_shard(backfill_id, number, "done")
    return backfills.get(backfill_id)


def discard_lost_shards(backfills: BackfillStore, folders: Iterable[Path]) -> None:
    """Forget what backfills held but for what these landings brought: the database has nothing else."""
    there: defaultdict[tuple[str, int], set[int]] = defaultdict(set)
    for folder in folders:
        for series in read_series(folder):
            key = series.header.backfill_id, series.header.shard
            there[key].update(mark.number for mark in series.pages)
    for backfill in backfills.list_all():
        shards = backfills.list_shards(backfill.backfill_id)
        lost = [shard.number for shard in shards if not there[shard.key].issuperset(range(shard.page))]
        if lost:
            backfills.discard_shards(backfill.backfill_id, lost)


def _landed(home: WarehousePaths, backfill: BackfillRecord) -> Iterator[LandedSeries]:
    for folder in list_landings(home.landing):
        with contextlib.suppress(ValueError, LookupError, TypeError, CorruptLanding):
            header = read_header(folder)
            if header.flow in FLOWS and header.basket == backfill.backfill_id:
                yield from read_series(folder)
