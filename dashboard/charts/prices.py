"""The chart of an item: its best ask, daily points, the middle half of all asks, marketplaces, sales."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from typing import Final, NamedTuple

from dashboard.charts.axes import time_axis, value_axis
from dashboard.charts.scales import Scale, time_scale, value_scale
from dashboard.charts.steps import Step, clip_steps, step_path
from dashboard.charts.svg import element, figure, number, text
from dashboard.formatting import format_price

WIDTH: Final = 960.0
HEIGHT: Final = 330.0
LEFT, RIGHT, TOP, BOTTOM = 72.0, 948.0, 12.0, 280.0
MOST_LINES: Final = 4  # marketplaces beside the best ask: more lines cannot be told apart


class Quartiles(NamedTuple):
    """The middle half of the asks from `start` on; None where there are none."""

    start: datetime
    low: float | None
    high: float | None


class Dot(NamedTuple):
    """A sale."""

    time: datetime
    value: float
    label: str


@dataclass(frozen=True, slots=True)
class PriceChart:
    """What the chart shows of [start, end], UTC. `lines` are marketplaces by their names, at most four.

    `daily` are the closing prices of days for which nothing finer is known.
    """

    title: str
    start: datetime
    end: datetime
    best: Sequence[Step]
    daily: Sequence[Step] = ()
    band: Sequence[Quartiles] = ()
    lines: Sequence[tuple[str, Sequence[Step]]] = ()
    sales: Sequence[Dot] = ()

    def draw(self) -> str:
        """Return the chart as SVG."""
        best = clip_steps(self.best, self.start, self.end)
        lines = [(name, clip_steps(steps, self.start, self.end)) for name, steps in self.lines[:MOST_LINES]]
        sales = [sale for sale in self.sales if self.start <= sale.time <= self.end]
        daily = clip_steps(self.daily, self.start, self.end)
        values = [step.value for steps in (best, daily, *(steps for _, steps in lines)) for step in steps]
        known = [value for value in values if value is not None]
        known += [bound for each in self.band for bound in (each.low, each.high) if bound is not None]
        known += [sale.value for sale in sales]
        x = time_scale(self.start, self.end, left=LEFT, right=RIGHT)
        y = value_scale(known, bottom=BOTTOM, top=TOP)
        drawn = [value_axis(y, left=LEFT, right=RIGHT), time_axis(x, self.start, self.end, bottom=BOTTOM)]
        band = _band_path(self.band, x, y)
        drawn += [element("path", d=band, class_="band")] if band else []
        drawn += [
            element("path", d=step_path(steps, x, y), class_=f"line market-{number}")
            for number, (_, steps) in enumerate(lines, 1)
        ]
        drawn += [element("path", d=step_path(daily, x, y), class_="line daily")] if daily else []
        drawn += [element("path", d=step_path(best, x, y), class_="line best")]
        drawn += [_draw_sale(sale, x, y) for sale in sales]
        drawn += _draw_legend(
            [name for name, _ in lines], has_daily=bool(daily), has_band=bool(band), has_sales=bool(sales)
        )
        return figure(
            "".join(drawn),
            width=WIDTH, height=HEIGHT, title=self.title, description=self._describe(best), kind="prices",
            start=x.low * 1000, end=x.high * 1000, low=y.low, high=y.high,
            left=LEFT, right=RIGHT, top=TOP, bottom=BOTTOM,
        )  # fmt: skip

    def _describe(self, best: Sequence[Step]) -> str:
        values = [step.value for step in best if step.value is not None]
        if not values:
            return "Nothing was listed in this time."
        span = f"{self.start.astimezone(UTC):%-d %b %Y} to {self.end.astimezone(UTC):%-d %b %Y}"
        low, high, last = (format_price(value) for value in (min(values), max(values), values[-1]))
        return f"Best ask from {span}: lowest {low}, highest {high}, last {last}."


def _draw_legend(names: Sequence[str], *, has_daily: bool, has_band: bool, has_sales: bool) -> Iterator[str]:
    entries = [("line best", "best ask")]
    entries += [("line daily", "daily points")] if has_daily else []
    entries += [("band", "middle half of the asks")] if has_band else []
    entries += [(f"line market-{number}", name) for number, name in enumerate(names, 1)]
    entries += [("sale", "sales")] if has_sales else []
    left = LEFT
    for kind, name in entries:
        yield element("rect", x=left, y=HEIGHT - 18, width=14, height=4, class_=f"key {kind}")
        yield text(name, left + 20, HEIGHT - 12, class_="legend")
        left += 44 + 6.5 * len(name)


def _band_path(band: Sequence[Quartiles], x: Scale, y: Scale) -> str:
    """Return a rectangle for each time in which the quartiles stay the same."""
    ends = [*(each.start.timestamp() for each in band[1:]), x.high]
    parts = []
    for each, end in zip(band, ends, strict=False):
        if each.low is None or each.high is None or end <= x.low:
            continue
        left, right = x.clip(each.start.timestamp()), x.clip(end)
        parts.append(f"M{number(left)} {number(y(each.low))}V{number(y(each.high))}H{number(right)}")
        parts.append(f"V{number(y(each.low))}Z")
    return "".join(parts)


def _draw_sale(sale: Dot, x: Scale, y: Scale) -> str:
    tooltip = element("title", escape(sale.label))
    return element("circle", tooltip, cx=x(sale.time.timestamp()), cy=y(sale.value), r=2.5, class_="sale")
