"""Scales: from values and moments to pixels, and the ticks of an axis."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

# The steps between the ticks of a time axis, and how to write a tick.
HOUR: Final = timedelta(hours=1)
DAY: Final = timedelta(days=1)
TIME_STEPS: Final = (
    *((minutes * HOUR / 60, "%H:%M") for minutes in (5, 15, 30)),
    *((hours * HOUR, "%H:%M") for hours in (1, 3, 6, 12)),
    *((days * DAY, "%-d %b") for days in (1, 2, 7, 14)),
)
LONG_STEPS: Final = ((1, "%b %Y"), (3, "%b %Y"), (6, "%b %Y"), (12, "%Y"))  # months
MARGIN: Final = 0.06  # of the range of the values, above and below


@dataclass(frozen=True, slots=True)
class Scale:
    """Maps [low, high] to pixels: `low` to `first`, `high` to `last`."""

    low: float
    high: float
    first: float
    last: float

    def __call__(self, value: float) -> float:
        """Return the pixel of a value."""
        share = (value - self.low) / (self.high - self.low)
        return self.first + share * (self.last - self.first)

    def clip(self, value: float) -> float:
        """Return the pixel of the nearest value inside of the scale."""
        return self(min(max(value, self.low), self.high))


def value_scale(values: Sequence[float], *, bottom: float, top: float) -> Scale:
    """Return a scale with some room around the values; never below 0 where no value is."""
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    room = MARGIN * (high - low) or MARGIN * abs(high) or 1.0
    start = low - room if low < 0 else max(low - room, 0.0)
    return Scale(start, high + room, bottom, top)


def time_scale(start: datetime, end: datetime, *, left: float, right: float) -> Scale:
    """Return a scale of seconds since the epoch."""
    last = end.timestamp()
    return Scale(min(start.timestamp(), last - 1), last, left, right)


def value_ticks(scale: Scale, most: int = 5) -> list[float]:
    """Return round values inside of the scale, at most about `most` of them."""
    span = scale.high - scale.low
    step = next(step for step in _round_steps(span) if span / step <= most)
    first = math.ceil(scale.low / step)
    return [number * step for number in range(first, math.floor(scale.high / step) + 1)]


def _round_steps(span: float) -> Iterator[float]:
    """Yield steps of 1, 2 and 5 times a power of ten, from a hundredth of the span on."""
    power = 10.0 ** math.floor(math.log10(span / 100))
    while True:
        yield from (power, 2 * power, 5 * power)
        power *= 10


def time_ticks(start: datetime, end: datetime, most: int = 8) -> list[tuple[datetime, str]]:
    """Return the round moments (UTC) in [start, end] with their labels, at most about `most` of them."""
    for step, label in TIME_STEPS:
        if (end - start) / step <= most:
            return [
                (moment, f"{moment:{_at_midnight(moment, label)}}") for moment in _multiples(start, end, step)
            ]
    months = (end - start) / (30 * DAY)
    count, label = next((each for each in LONG_STEPS if months / each[0] <= most), LONG_STEPS[-1])
    return [(moment, f"{moment:{label}}") for moment in _months(start, end, count)]


def _at_midnight(moment: datetime, label: str) -> str:
    """Return the format of a tick: a day begins with its date."""
    return "%-d %b" if (moment.hour, moment.minute) == (0, 0) and label == "%H:%M" else label


def _multiples(start: datetime, end: datetime, step: timedelta) -> Iterator[datetime]:
    epoch = datetime(2001, 1, 1, tzinfo=UTC)  # a Monday: steps of a week begin on Mondays
    moment = epoch + math.ceil((start - epoch) / step) * step
    while moment <= end:
        yield moment
        moment += step


def _months(start: datetime, end: datetime, count: int) -> Iterator[datetime]:
    number = -(-(start.year * 12 + start.month - 1) // count) * count
    while (moment := datetime(number // 12, number % 12 + 1, 1, tzinfo=UTC)) <= end:
        if moment >= start:
            yield moment
        number += count
