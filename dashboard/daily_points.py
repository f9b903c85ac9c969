"""The days of the past for which daily points stand in, as the charts take them."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final

from dashboard.asks_over_time import append_step
from dashboard.charts.steps import Step
from dashboard.prepared import PreparedMarket

DAY: Final = timedelta(days=1)
# The lowest closing price of each day, of all marketplaces.
SELECT_DAILY: Final = """
SELECT day, min(price) FROM daily_points
WHERE item = $item AND currency = $currency AND price > 0 AND day >= ($since AT TIME ZONE 'UTC')::DATE
GROUP BY day ORDER BY day
"""


def read_daily(
    market: PreparedMarket, item: str, currency: str, since: datetime
) -> list[tuple[datetime, Decimal]]:
    """Return the lowest daily point of each day from `since` on, by the midnight (UTC) that begins it."""
    rows = market.rows(SELECT_DAILY, {"item": item, "currency": currency, "since": since})
    return [(datetime(day.year, day.month, day.day, tzinfo=UTC), price) for day, price in rows]


def keep_unknown_days(
    days: Iterable[tuple[datetime, Decimal]], known: Sequence[Step]
) -> list[tuple[datetime, Decimal]]:
    """Return the days, by their midnights, in which no one of the steps `known` has a value."""
    ends = [*(step.start for step in known[1:]), datetime.max.replace(tzinfo=UTC)]
    listed = [(step.start, end) for step, end in zip(known, ends, strict=False) if step.value is not None]
    starts = [start for start, _ in listed]
    kept = []
    for midnight, price in days:
        # Of the times that begin before the end of the day, only the last one can reach into the day.
        position = bisect_left(starts, midnight + DAY) - 1
        if position < 0 or listed[position][1] <= midnight:
            kept.append((midnight, price))
    return kept


def to_daily_steps(days: Iterable[tuple[datetime, Decimal]]) -> list[Step]:
    """Return days with their prices as steps: each holds for its day."""
    steps: list[Step] = []
    for midnight, price in days:
        append_step(steps, price, midnight, midnight + DAY)
    return steps
