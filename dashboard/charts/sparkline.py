"""A sparkline: a small line without axes, beside a number in a table."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from dashboard.charts.scales import time_scale, value_scale
from dashboard.charts.steps import Step, step_path
from dashboard.charts.svg import element

WIDTH: Final = 88.0
HEIGHT: Final = 20.0


def draw_sparkline(steps: Sequence[Step], start: datetime, end: datetime) -> str:
    """Return the steps of [start, end] as a line that ends in a dot. It says nothing to a screen reader."""
    values = [step.value for step in steps if step.value is not None]
    x = time_scale(start, end, left=1, right=WIDTH - 3)
    y = value_scale(values, bottom=HEIGHT - 2, top=2)
    last = steps[-1].value if steps else None
    return element(
        "svg",
        element("path", d=step_path(steps, x, y), class_="line"),
        "" if last is None else element("circle", cx=x.last, cy=y(last), r=1.5),
        viewBox=f"0 0 {WIDTH:g} {HEIGHT:g}",
        class_="sparkline",
        aria_hidden="true",
    )
