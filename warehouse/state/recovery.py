"""Update the checkpoints of backfills in `state.db` from their landings, which are authoritative."""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from common.warehouse_errors import BackfillNotFound
from warehouse.landing.inventory import list_landings, read_landings
from warehouse.landing.model import RunHeader
from warehouse.landing.reader import CorruptLanding
from warehouse.landing.series import LandedSeries, read_series
from warehouse.paths import WarehousePaths
from warehouse.state.backfill_rows import BackfillRecord
from warehouse.state.backfills import BackfillStore

FLOWS: Final = frozenset({"backfill", "sales"})


def recover_progress(paths: WarehousePaths, backfills: BackfillStore, backfill_id: str) -> BackfillRecord:
    """Record every complete page of a backfill that landed here, loaded or not; return the updated backfill.

    Call it under `BackfillStore.lock`, before the first page. Corrupt landings are skipped: their pages are
    fetched again. Raises BackfillNotFound.
    """
    backfill = backfills.get(backfill_id)
    _record(backfills, backfill_id, _landed_series(paths, backfill))
    return backfills.get(backfill_id)


def recover_landing(backfills: BackfillStore, folder: Path, header: RunHeader) -> None:
    """Record every complete page in a landing whose process is gone, if the landing is that of a backfill.

    Another machine that resumes the backfill has no other sign of a page that landed just before the end.
    """
    if header.flow in FLOWS:
        # A landing of another warehouse, or one that the loader will set aside.
        with contextlib.suppress(BackfillNotFound, CorruptLanding):
            backfills.get(header.basket)
            _record(backfills, header.basket, read_series(folder))


def _record(backfills: BackfillStore, backfill_id: str, series: Iterable[LandedSeries]) -> None:
    landed_by_shard: defaultdict[int, list[LandedSeries]] = defaultdict(list)
    for landed in series:
        landed_by_shard[landed.header.shard].append(landed)
    recorded_rows = {shard.number: shard.rows for shard in backfills.list_shards(backfill_id)}
    for number, landings in sorted(landed_by_shard.items()):
        pages = sorted((page for landed in landings for page in landed.pages), key=lambda page: page.number)
        has_rows = recorded_rows.get(number) or any(page.rows for page in pages)
        usable = bool(has_rows) or not any(page.rejects for page in pages)
        backfills.record_pages(backfill_id, number, *pages, usable=usable)
        if any(landed.complete for landed in landings):
            backfills.finish_shard(backfill_id, number, "done")


def discard_lost_shards(backfills: BackfillStore, folders: Iterable[Path]) -> None:
    """Remove the shards from the coverage of which a page is in none of these landings.

    A database that was rebuilt from the landings has no other rows.
    """
    landed_pages: defaultdict[tuple[str, int], set[int]] = defaultdict(set)
    for folder in folders:
        for landed in read_series(folder):
            key = landed.header.backfill_id, landed.header.shard
            landed_pages[key].update(page.number for page in landed.pages)
    for backfill in backfills.list_all():
        shards = backfills.list_shards(backfill.backfill_id)
        lost = [shard.number for shard in shards if not landed_pages[shard.key].issuperset(range(shard.page))]
        if lost:
            backfills.discard_shards(backfill.backfill_id, lost)


def _landed_series(paths: WarehousePaths, backfill: BackfillRecord) -> Iterator[LandedSeries]:
    for landing in read_landings(list_landings(paths.landing), on_corrupt=lambda _: None):
        if landing.header.flow in FLOWS and landing.header.basket == backfill.backfill_id:
            with contextlib.suppress(CorruptLanding):
                yield from read_series(landing.folder)
