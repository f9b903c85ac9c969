"""Values that hold until the next one, as a path of horizontal and vertical lines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

from dashboard.charts.scales import Scale
from dashboard.charts.svg import number


class Step(NamedTuple):
    """A value from `start` on; None where there is none."""

    start: datetime
    value: float | None


def step_path(steps: Sequence[Step], x: Scale, y: Scale) -> str:
    """Return the path of the steps, the last one up to the end of the time scale, with a break at each None.

    Of the steps within one pixel, the first, the lowest, the highest and the last one are drawn: no other one
    would be visible.
    """
    parts: list[str] = []
    previous: float | None = None
    for at, value in _thin(steps, x):
        if previous is not None:
            parts.append(f"H{number(at)}")
        if value is not None:
            height = number(y.clip(value))
            parts.append(f"V{height}" if previous is not None else f"M{number(at)} {height}")
        previous = value
    if previous is not None:
        parts.append(f"H{number(x.last)}")
    return "".join(parts)


def clip_steps(steps: Iterable[Step], start: datetime, end: datetime) -> list[Step]:
    """Return the steps of [start, end], with the one that holds at `start`."""
    held: Step | None = None
    inside = []
    for step in steps:
        if step.start <= start:
            held = Step(start, step.value)
        elif step.start <= end:
            inside.append(step)
    return [*([] if held is None else [held]), *inside]


def _thin(steps: Sequence[Step], x: Scale) -> Iterator[tuple[float, float | None]]:
    """Yield the pixel and the value of the steps that are drawn, in order."""
    column: list[tuple[float, float | None]] = []
    for step in steps:
        point = x(step.start.timestamp()), step.value
        if column and int(point[0]) != int(column[0][0]):
            yield from _drawn(column)
            column = []
        column.append(point)
    yield from _drawn(column)


def _drawn(column: list[tuple[float, float | None]]) -> list[tuple[float, float | None]]:
    if len(column) <= 4:
        return column
    known = [point for point in column if point[1] is not None]
    extremes = (
        [min(known, key=lambda point: point[1] or 0), max(known, key=lambda point: point[1] or 0)]
        if known
        else []
    )
    chosen = {id(point) for point in (column[0], *extremes, column[-1])}
    return [point for point in column if id(point) in chosen]
