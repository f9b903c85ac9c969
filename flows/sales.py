"""Sales: each read goes back 48 hours behind the last complete one, for they are told up to a day late."""

from __future__ import annotations

from datetime import datetime

from flows.backfill_request import BackfillRequest
from flows.config import Settings
from warehouse.backfills import Backfill, Backfills
from warehouse.coverage import SALES_LAG
from warehouse.home import Home
from warehouse.spans import Span


def watermark(backfills: Backfills, source: str, currency: str = "USD") -> datetime | None:
    """The moment (UTC) up to which complete reads have told all sales of a source; None without any.

    A read that begins after it leaves sales out, and does not move it.
    """
    reached: datetime | None = None
    for read in reversed(backfills.listing()):
        span = _read(backfills, read, source, currency)
        if span is not None and (reached is None or span[0] <= reached):
            reached = max(reached or span[1], span[1])
    return reached


def next_read(settings: Settings, source: str, now: datetime, currency: str = "USD") -> BackfillRequest:
    """What to ask for so that no sale is missed since the last complete read, late ones included.

    The first read goes back 48 hours from `now` (UTC). Raises WarehouseError.
    """
    home = Home(settings.root)
    home.prepare()
    since = (watermark(Backfills(home.state), source, currency) or now) - SALES_LAG
    return BackfillRequest(series="sales", source=source, currency=currency, start=since)


def _read(backfills: Backfills, read: Backfill, source: str, currency: str) -> Span | None:
    """The span that a read of all sales told; None for any other, and for one that did not come through."""
    if (read.series, read.source, read.state) != ("sales", source, "done"):
        return None
    asked = BackfillRequest.model_validate(read.request)
    settled = [shard.settled_to for shard in backfills.shards(read.backfill_id) if shard.settled_to]
    if (asked.items, asked.providers, asked.currency) != (("all",), ("all",), currency) or not settled:
        return None
    observed = min(settled) + SALES_LAG
    return asked.start, observed if asked.end is None else min(asked.end, observed)
