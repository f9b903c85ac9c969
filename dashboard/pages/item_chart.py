"""The chart of an item's page: the steps of each marketplace, and the middle half of them over time."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from dashboard.asks_over_time import Change
from dashboard.charts.prices import Dot, PriceChart, Quartiles
from dashboard.charts.steps import Step
from dashboard.daily_points import DAY
from dashboard.formatting import format_moment, format_price
from dashboard.pages.page import Chart
from dashboard.tables import Column, Row, Table

MOMENTS: Final = 160  # of the band: one for each six pixels
LEAST_ASKS: Final = 4  # fewer have no middle half
CHANGE_COLUMNS: Final = (
    Column("valid_from", "From", "moment"),
    Column("valid_to", "To", "moment"),
    Column("price", "Best ask", "price"),
    Column("origin", "Origin", secondary=True),
)


def build_chart(
    chart: PriceChart,
    asks: Mapping[tuple[str, str], Sequence[Step]],
    changes: Iterable[Change],
    *,
    shown: Sequence[str],
    days: Iterable[tuple[datetime, Decimal]],
    sales: Sequence[Mapping[str, Any]],
) -> Chart:
    """Return the chart of a best ask with the marketplaces `shown`, the middle half of all asks, and sales.

    `asks` are by marketplace and delivery. The data behind the chart are the `changes` of the best ask in it,
    and the `days` that only daily points know.
    """
    dots = [
        Dot(
            sale["time"],
            float(sale["price"]),
            f"{format_price(sale['price'])} at {sale['provider']}, {format_moment(sale['time'])} UTC",
        )
        for sale in sales
        if sale["price"] is not None
    ]
    lines = [(name, asks[name, "standard"]) for name in shown if (name, "standard") in asks]
    band = find_quartiles(list(asks.values()), chart.start, chart.end)
    rows = [
        Row({"valid_from": midnight, "valid_to": midnight + DAY, "price": price, "origin": "daily points"})
        for midnight, price in days
    ]
    rows += [
        Row({"valid_from": start, "valid_to": end, "price": price, "origin": "quotes"})
        for _, price, start, end in changes
        if end is None or end > chart.start
    ]
    drawn = dataclasses.replace(chart, band=band, lines=lines, sales=dots).draw()
    return Chart("history", "Price history", drawn, Table("best-asks", "", CHANGE_COLUMNS, rows))


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
