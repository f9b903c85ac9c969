"""The chart of a month's requests: how many were used, where this leads to, and how many there are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from html import escape
from typing import Final

from dashboard.charts.axes import time_axis, value_axis
from dashboard.charts.scales import Scale, time_scale
from dashboard.charts.steps import Step, step_path
from dashboard.charts.svg import element, figure, number, text

WIDTH: Final = 960.0
HEIGHT: Final = 200.0
LEFT, RIGHT, TOP, BOTTOM = 72.0, 948.0, 20.0, 165.0


@dataclass(frozen=True, slots=True)
class BurnChart:
    """The month [start, end) of a source (UTC): `used` as it was reported over time, at last at `now`.

    `expected` is how many requests are used at its end, at the rate until now; `limit` may be unknown.
    """

    title: str
    start: datetime
    end: datetime
    now: datetime
    used: Sequence[Step]
    expected: float
    limit: int | None

    def draw(self) -> str:
        """Return the chart as SVG."""
        x = time_scale(self.start, self.end, left=LEFT, right=RIGHT)
        last = self.used[-1].value or 0.0
        y = Scale(0, 1.05 * max(1.0, last, self.expected, self.limit or 0), BOTTOM, TOP)
        until_now = time_scale(self.start, self.now, left=LEFT, right=x(self.now.timestamp()))
        at = number(until_now.last)
        drawn = [
            value_axis(y, left=LEFT, right=RIGHT),
            time_axis(x, self.start, self.end, bottom=BOTTOM),
            element("path", d=step_path(self.used, until_now, y), class_="line best"),
            element(
                "path", d=f"M{at} {number(y(last))}L{number(RIGHT)} {number(y(self.expected))}",
                class_="line planned",
            ),
        ]  # fmt: skip
        if self.limit is not None:
            height = y(self.limit)
            drawn.append(element("line", x1=LEFT, x2=RIGHT, y1=height, y2=height, class_="limit"))
            label = f"{self.limit:,} a month"
            drawn.append(text(label, LEFT + 4, height - 5, class_="legend"))
        return figure(
            "".join(drawn),
            width=WIDTH,
            height=HEIGHT,
            title=self.title,
            description=self._describe(last),
            kind="burn",
        )

    def _describe(self, last: float) -> str:
        limit = "" if self.limit is None else f" of {self.limit:,}"
        return escape(f"{last:,.0f} requests{limit} used; {self.expected:,.0f} at the end of the month.")
