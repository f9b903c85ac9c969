"""Sales on schedule: each read starts 48 hours before the last complete one, because sales arrive late."""

from __future__ import annotations

from datetime import datetime

from common.time_ranges import TimeRange
from pipelines.backfill.request import BackfillRequest
from pipelines.config import Settings
from pipelines.preparation import prepare_warehouse
from warehouse.state.backfill_rows import BackfillRecord
from warehouse.state.backfills import BackfillStore
from warehouse.state.coverage import SALES_LAG


def watermark(backfills: BackfillStore, source: str) -> datetime | None:
    """Return the time (UTC) up to which the sales of a source are complete; None without a complete read.

    A read that starts after the watermark leaves sales out, and does not move the watermark.
    """
    reached: datetime | None = None
    for record in reversed(backfills.list_all()):  # the oldest first
        span = _complete_span(backfills, record, source)
        if span is not None and (reached is None or span[0] <= reached):
            reached = max(reached or span[1], span[1])
    return reached


def next_request(settings: Settings, source: str, now: datetime) -> BackfillRequest:
    """Return the request that reads all sales (in USD) since the last complete read, late ones included.

    The first read starts 48 hours before `now` (UTC). Raises WarehouseError.
    """
    paths = prepare_warehouse(settings, now)
    since = (watermark(BackfillStore(paths), source) or now) - SALES_LAG
    return BackfillRequest(series="sales", source=source, start=since)


def _complete_span(backfills: BackfillStore, record: BackfillRecord, source: str) -> TimeRange | None:
    """Return the time range of a complete read of all sales in USD; None for any other backfill."""
    if (record.series, record.source, record.state) != ("sales", source, "done"):
        return None
    request = BackfillRequest.model_validate(record.request)
    settled = [shard.settled_to for shard in backfills.list_shards(record.backfill_id) if shard.settled_to]
    scope = request.items, request.providers, request.currency
    if scope != (("all",), ("all",), "USD") or not settled:
        return None
    # `stable_until` has subtracted SALES_LAG from the time of the first page.
    observed = min(settled) + SALES_LAG
    return request.start, observed if request.end is None else min(request.end, observed)
