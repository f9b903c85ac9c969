"""The chart of an item's page: the steps of each marketplace, and the middle half of them over time."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from dashboard.charts.prices import Dot, PriceChart, Quartiles
from dashboard.charts.steps import Step
from dashboard.formatting import format_moment, format_price
from dashboard.prepared import PreparedMarket

MOMENTS: Final = 160  # of the band: one for each six pixels
LEAST_ASKS: Final = 4  # fewer have no middle half
SELECT_PAST: Final = """
SELECT provider, delivery, price, valid_from, valid_to FROM quote_history
WHERE item = $item AND currency = $currency AND price IS NOT NULL AND (valid_to > $since OR valid_to IS NULL)
ORDER BY valid_from
"""


def complete_chart(
    market: PreparedMarket,
    chart: PriceChart,
    *,
    item: str,
    currency: str,
    shown: Sequence[str],
    sales: Sequence[Mapping[str, Any]],
) -> PriceChart:
    """Return a chart of a best ask with the marketplaces `shown`, the middle half of all, and the sales."""
    values = {"item": item, "currency": currency, "since": chart.start}
    rows = market.rows(SELECT_PAST, values)
    steps: dict[tuple[str, str], list[Step]] = {}
    for provider, delivery, price, since, until in rows:
        known = steps.setdefault((provider, delivery), [])
        if known and known[-1].start == since:
            known.pop()
        known.append(Step(since, float(price)))
        if until is not None:
            known.append(Step(until, None))
    dots = [
        Dot(
            sale["time"],
            float(sale["price"]),
            f"{format_price(sale['price'])} at {sale['provider']}, {format_moment(sale['time'])} UTC",
        )
        for sale in sales
        if sale["price"] is not None
    ]
    lines = [(name, steps[name, "standard"]) for name in shown if (name, "standard") in steps]
    band = find_quartiles(list(steps.values()), chart.start, chart.end)
    return dataclasses.replace(chart, band=band, lines=lines, sales=dots)


def find_quartiles(lines: Sequence[Sequence[Step]], start: datetime, end: datetime) -> list[Quartiles]:
    """Return the first and the third quartile of the values of all lines, at moments of [start, end)."""
    positions = [0] * len(lines)
    band = []
    for number in range(MOMENTS):
        moment = start + number * (end - start) / MOMENTS
        values = []
        for index, steps in enumerate(lines):
            while positions[index] < len(steps) and steps[positions[index]].start <= moment:
                positions[index] += 1
            value = steps[positions[index] - 1].value if positions[index] else None
            if value is not None:
                values.append(value)
        values.sort()
        if len(values) < LEAST_ASKS:
            band.append(Quartiles(moment, None, None))
        else:
            band.append(Quartiles(moment, values[len(values) // 4], values[(3 * len(values)) // 4]))
    return band
