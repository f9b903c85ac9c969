"""Bringing backfills in `state.db` in line with their landings, which are the truth."""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

from warehouse.backfills import Backfill, Backfills
from warehouse.home import Home
from warehouse.landed import Unreadable, kept, read_header
from warehouse.series import LandedSeries, read_series

FLOWS = frozenset({"backfill", "sales"})


def recover(home: Home, backfills: Backfills, backfill_id: str) -> Backfill:
    """Note every whole page that the landings of a backfill hold, loaded or not; the backfill as it is then.

    Call it under `Backfills.hold`, before the first page. A landing that cannot be read counts for nothing:
    what it brought is fetched again. Raises NoBackfill.
    """
    backfill = backfills.find(backfill_id)
    landed = list(_landed(home, backfill))
    for number in sorted({series.header.shard for series in landed}):
        mine = [series for series in landed if series.header.shard == number]
        marks = sorted((mark for series in mine for mark in series.pages), key=lambda mark: mark.number)
        backfills.landed(backfill_id, number, *marks)
        if any(series.complete for series in mine):
            backfills.ended(backfill_id, number, "done")
    return backfills.find(backfill_id)


def forget_lost(backfills: Backfills, folders: Iterable[Path]) -> None:
    """Forget what backfills held but for what these landings brought: the database has nothing else."""
    there: defaultdict[tuple[str, int], set[int]] = defaultdict(set)
    for folder in folders:
        for series in read_series(folder):
            key = series.header.backfill_id, series.header.shard
            there[key].update(mark.number for mark in series.pages)
    for backfill in backfills.listing():
        shards = backfills.shards(backfill.backfill_id)
        lost = [shard.number for shard in shards if not there[shard.key].issuperset(range(shard.page))]
        if lost:
            backfills.forget(backfill.backfill_id, lost)


def _landed(home: Home, backfill: Backfill) -> Iterator[LandedSeries]:
    for folder in kept(home.landing):
        with contextlib.suppress(ValueError, LookupError, TypeError, Unreadable):
            header = read_header(folder)
            if header.flow in FLOWS and header.basket == backfill.backfill_id:
                yield from read_series(folder)
