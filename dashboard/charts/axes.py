"""The axes of a chart: lines across it with round values, and moments below it."""

from __future__ import annotations

from datetime import UTC, datetime

from dashboard.charts.scales import Scale, time_ticks, value_ticks
from dashboard.charts.svg import element, text
from dashboard.formatting import format_tick


def value_axis(y: Scale, *, left: float, right: float) -> str:
    """Return a line and a label for each round value."""
    return "".join(
        element("line", x1=left, x2=right, y1=y(value), y2=y(value), class_="grid")
        + text(format_tick(value), left - 8, y(value) + 4, class_="tick", text_anchor="end")
        for value in value_ticks(y)
    )


def time_axis(x: Scale, start: datetime, end: datetime, *, bottom: float) -> str:
    """Return a label for each round moment."""
    width = abs(x.last - x.first)
    return "".join(
        text(label, x(moment.timestamp()), bottom + 18, class_="tick", text_anchor=_anchor(x, moment))
        for moment, label in time_ticks(
            start.astimezone(UTC), end.astimezone(UTC), most=max(2, int(width / 110))
        )
    )


def _anchor(x: Scale, moment: datetime) -> str:
    """Return the side of a label that keeps it inside of the chart."""
    at = x(moment.timestamp())
    return "start" if at < x.first + 24 else "end" if at > x.last - 24 else "middle"
