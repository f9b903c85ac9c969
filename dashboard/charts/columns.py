"""A chart of columns: a count for each hour or day."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from dashboard.charts.axes import time_axis
from dashboard.charts.scales import Scale, time_scale
from dashboard.charts.svg import element, figure, number

WIDTH: Final = 960.0
HEIGHT: Final = 120.0
BOTTOM: Final = 96.0


def draw_columns(counts: Sequence[tuple[datetime, int]], length: timedelta, *, title: str) -> str:
    """Return a column for each count, `length` wide, with the count as a tooltip."""
    if not counts:
        return figure("", width=WIDTH, height=HEIGHT, title=title, description="No data.", kind="columns")
    start, end = counts[0][0], counts[-1][0] + length
    x = time_scale(start, end, left=0, right=WIDTH)
    y = Scale(0, max(1, *(count for _, count in counts)), BOTTOM, 8)
    bars = "".join(_draw_bar(moment, length, count, x=x, y=y) for moment, count in counts)
    description = f"From {min(c for _, c in counts):,} to {max(c for _, c in counts):,}."
    axis = time_axis(x, start, end, bottom=BOTTOM)
    return figure(
        bars + axis, width=WIDTH, height=HEIGHT, title=title, description=description, kind="columns"
    )


def _draw_bar(moment: datetime, length: timedelta, count: int, *, x: Scale, y: Scale) -> str:
    left, right = x(moment.timestamp()), x((moment + length).timestamp())
    return element(
        "rect",
        element("title", f"{moment:%-d %b %H:%M} UTC: {count:,}"),
        x=number(left),
        y=number(y(count)),
        width=number(max(right - left - 1, 0.5)),
        height=number(BOTTOM - y(count)),
        class_="column",
    )
