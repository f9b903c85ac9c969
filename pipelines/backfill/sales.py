"""Sales: each read goes back 48 hours behind the last complete one, for they are told up to a day late."""

from __future__ import annotations

from datetime import datetime

from common.time_ranges import TimeRange
from pipelines.backfill.request import BackfillRequest
from pipelines.config import Settings
from warehouse.paths import WarehousePaths
from warehouse.state.backfill_rows import BackfillRecord
from warehouse.state.backfills import BackfillStore
from warehouse.state.coverage import SALES_LAG


def watermark(backfills: BackfillStore, source: str, currency: str = "USD") -> datetime | None:
    """The moment (UTC) up to which complete reads have told all sales of a source; None without any.

    A read that begins after it leaves sales out, and does not move it.
    """
    reached: datetime | None = None
    for read in reversed(backfills.list_all()):
        span = _complete_span(backfills, read, source, currency)
        if span is not None and (reached is None or span[0] <= reached):
            reached = max(reached or span[1], span[1])
    return reached


def next_request(settings: Settings, source: str, now: datetime, currency: str = "USD") -> BackfillRequest:
    """What to ask for so that no sale is missed since the last complete read, late ones included.

    The first read goes back 48 hours from `now` (UTC). Raises WarehouseError.
    """
    home = WarehousePaths(settings.root)
    home.prepare()
    since = (watermark(BackfillStore(home.state), source, currency) or now) - SALES_LAG
    return BackfillRequest(series="sales", source=source, currency=currency, start=since)


def _complete_span(
    backfills: BackfillStore, read: BackfillRecord, source: str, currency: str
) -> TimeRange | None:
    """The span that a read of all sales told; None for any other, and for one that did not come through."""
    if (read.series, read.source, read.state) != ("sales", source, "done"):
        return None
    asked = BackfillRequest.model_validate(read.request)
    settled = [shard.settled_to for shard in backfills.list_shards(read.backfill_id) if shard.settled_to]
    if (asked.items, asked.providers, asked.currency) != (("all",), ("all",), currency) or not settled:
        return None
    observed = min(settled) + SALES_LAG
    return asked.start, observed if asked.end is None else min(asked.end, observed)
