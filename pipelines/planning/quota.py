"""Whether a run fits into what is left: of the month, and of the day's stream starts."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from common.errors import QuotaExhausted
from connectors.cs2cap.contract import BOOK_SIDES
from connectors.ratelimit.ledger import MonthUsage, read_usage
from connectors.ratelimit.limiter import RateLimiter
from pipelines.config import Settings
from pipelines.planning.baskets import PlannedBasket
from warehouse.paths import WarehousePaths


def exhausted_streams(budget: RateLimiter) -> list[str]:
    """Deliveries whose streams may not start now: the starts of the last 24 hours are used up."""
    counts = {delivery: budget.stream_usage(side.stream_route) for delivery, side in BOOK_SIDES.items()}
    return [delivery for delivery, (used, limit) in counts.items() if limit is not None and used >= limit]


def over_quota_baskets(prepared: Sequence[PlannedBasket], month: MonthUsage) -> dict[str, QuotaExhausted]:
    """The baskets, by name, that cannot fit into the month any more; those before them go first.

    A catalog that was never looked at counts as one page: what may fit is not refused.
    """
    left = month.left
    refused: dict[str, QuotaExhausted] = {}
    for ready in prepared if left is not None else ():
        need = ready.plan.least_requests
        if left is not None and need <= left:
            left -= need
        else:
            refused[ready.basket.name] = _refusal(ready, need, left or 0, month)
    return refused


def _refusal(ready: PlannedBasket, need: int, left: int, month: MonthUsage) -> QuotaExhausted:
    reset = f"at {month.resets_at:%Y-%m-%d %H:%M} UTC" if month.resets_at else "with the next month"
    return QuotaExhausted(
        f"basket {ready.basket.name} needs {need:,} requests, and of the month's {month.limit:,} are {left:,}"
        f" left; it starts anew {reset}. Nothing was asked for; --force does all the same",
        ready.basket.source,
        resets_at=month.resets_at,
    )


DAY: Final = timedelta(days=1)
# The first hour of a month says little of its pace.
MIN_ELAPSED: Final = timedelta(hours=1)


@dataclasses.dataclass(frozen=True, slots=True)
class MonthUsageReport:
    """A source's month: requests used, of how many (None = not known), and how many a day.

    `ends_at` (UTC) is when they are used up at this pace; None where they last to the end of the month.
    """

    source: str
    used: int
    limit: int | None
    a_day: float
    ends_at: datetime | None


def month_usage(settings: Settings, now: datetime) -> list[MonthUsageReport]:
    """The month of each source that has told of one. Raises WarehouseError."""
    state = WarehousePaths(settings.root).state
    known = ((source, read_usage(state, source)) for source in settings.sources)
    return [usage_report(source, usage, now) for source, usage in known if usage is not None]


def usage_report(source: str, usage: MonthUsage, now: datetime) -> MonthUsageReport:
    """What a usage, as it was last known, comes to at the moment `now` (UTC)."""
    start, end = _month(usage.resets_at, now)
    current = usage.reported_at is None or usage.reported_at >= start
    used = usage.used if current else 0
    a_day = used * (DAY / max(now - start, MIN_ELAPSED))
    ends_at = None
    if usage.limit is not None and used:
        days_left = max(usage.limit - used, 0) / a_day
        if days_left < (end - now) / DAY:
            ends_at = now + days_left * DAY
    return MonthUsageReport(source, used, usage.limit, a_day, ends_at)


def _month(resets_at: datetime | None, now: datetime) -> tuple[datetime, datetime]:
    """The start and end of the source's month; of the calendar's in UTC where it tells none."""
    first = now.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    end = resets_at if resets_at and resets_at > now else (first + 32 * DAY).replace(day=1)
    return end - (end.replace(day=1) - DAY).day * DAY, end
