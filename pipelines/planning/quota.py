"""The quota of a source: which baskets fit into the rest of the month, and how long it lasts."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from common.errors import QuotaExhausted
from connectors.cs2cap.contract import BOOK_SIDES
from connectors.ratelimit.ledger import read_hold, read_usage
from connectors.ratelimit.ledger_tables import MonthUsage, add_months
from warehouse.state.database import open_state

if TYPE_CHECKING:
    from connectors.ratelimit.limiter import RateLimiter
    from pipelines.config import BasketSettings, Settings
    from pipelines.planning.baskets import PlannedBasket

DAY: Final = timedelta(days=1)
# The first hour of a month says little about its rate.
MIN_ELAPSED: Final = timedelta(hours=1)


def exhausted_streams(rate_limiter: RateLimiter) -> list[str]:
    """Return the deliveries whose stream starts of the last 24 hours are used up."""
    usage = {delivery: rate_limiter.stream_usage(side.stream_route) for delivery, side in BOOK_SIDES.items()}
    return [delivery for delivery, (used, limit) in usage.items() if limit is not None and used >= limit]


def over_quota_baskets(planned: Sequence[PlannedBasket], month: MonthUsage) -> dict[str, QuotaExhausted]:
    """Return the baskets, by name, that do not fit into the rest of the month; earlier baskets come first.

    The minimum of a plan counts, so that a basket that may fit is not refused.
    """
    left, over_quota = month.left, {}
    if left is None:
        return {}
    for basket in planned:
        need = basket.plan.least_requests
        if need <= left:
            left -= need
        else:
            over_quota[basket.basket.name] = _over_quota(basket.basket, month, need=need, left=left)
    return over_quota


def _over_quota(basket: BasketSettings, month: MonthUsage, *, need: int, left: int) -> QuotaExhausted:
    reset = f"at {month.resets_at:%Y-%m-%d %H:%M} UTC" if month.resets_at else "with the next month"
    return QuotaExhausted(
        f"basket {basket.name} needs {need:,} requests, but {left:,} of the month's {month.limit:,} are left;"
        f" the quota resets {reset}. No price request was sent; --force runs the basket nevertheless",
        basket.source,
        resets_at=month.resets_at,
    )


def active_holds(settings: Settings, now: datetime) -> dict[str, datetime]:
    """Return until when (UTC) a source asked to send nothing, by source; only of sources that did.

    Raises WarehouseError.
    """
    state = open_state(settings.paths)
    holds = {source: read_hold(state, source, now) for source in settings.sources}
    return {source: until for source, until in holds.items() if until is not None}


@dataclasses.dataclass(frozen=True, slots=True)
class MonthUsageReport:
    """The usage of a source's month: requests used, their limit (None: unknown), and requests a day.

    `ends_at` (UTC) is when the quota is used up at this rate; None if it lasts to the end of the month.
    """

    source: str
    used: int
    limit: int | None
    a_day: float
    ends_at: datetime | None


def month_usage(settings: Settings, now: datetime) -> list[MonthUsageReport]:
    """Return the month of each source whose usage is known. Raises WarehouseError."""
    state = open_state(settings.paths)
    usages = ((source, read_usage(state, source)) for source in settings.sources)
    return [usage_report(source, usage, now) for source, usage in usages if usage is not None]


def usage_report(source: str, usage: MonthUsage, now: datetime) -> MonthUsageReport:
    """Return the report of a stored usage at the time `now` (UTC)."""
    usage = usage.as_of(now)
    start, end = _month(usage.resets_at, now)
    is_current = usage.reported_at is None or usage.reported_at >= start
    used = usage.used if is_current else 0
    a_day = used * (DAY / max(now - start, MIN_ELAPSED))
    ends_at = None
    if usage.limit is not None and used:
        days_left = max(usage.limit - used, 0) / a_day  # not a date yet: it may be beyond the year 9999
        if days_left < (end - now) / DAY:
            ends_at = now + days_left * DAY
    return MonthUsageReport(source, used, usage.limit, a_day=a_day, ends_at=ends_at)


def _month(resets_at: datetime | None, now: datetime) -> tuple[datetime, datetime]:
    """Return the start and end of the source's month; of the calendar month (UTC) without a reset."""
    first = now.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    end = resets_at or add_months(first, 1)
    return add_months(end, -1), end
