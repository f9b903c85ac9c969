"""A chart of candles: bodies from the first to the last price of a bucket, wicks, and the trades below."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from dashboard.charts.axes import time_axis, value_axis
from dashboard.charts.scales import Scale, time_scale, value_scale
from dashboard.charts.svg import element, figure, number
from dashboard.formatting import format_price

WIDTH: Final = 960.0
HEIGHT: Final = 260.0
LEFT, RIGHT, TOP, BOTTOM = 72.0, 948.0, 12.0, 180.0
VOLUME_TOP, VOLUME_BOTTOM = 192.0, 230.0


class Candle(NamedTuple):
    """The prices of the bucket from `time` on, and how many trades were made in it."""

    time: datetime
    open: float
    high: float
    low: float
    close: float
    volume: int


def draw_candles(candles: Sequence[Candle], length: timedelta, *, title: str) -> str:
    """Return the candles in the order of time, each `length` wide.

    The scale fits the bodies: a wick that goes beyond ends at the edge, because a single dear listing would
    otherwise make every other candle a line.
    """
    if not candles:
        return figure("", width=WIDTH, height=HEIGHT, title=title, description="No candles.", kind="candles")
    end = candles[-1].time + length
    x = time_scale(candles[0].time, end, left=LEFT, right=RIGHT)
    bodies = [price for each in candles for price in (each.open, each.close)]
    y = value_scale(bodies, bottom=BOTTOM, top=TOP)
    volume = Scale(0, max(1, *(each.volume for each in candles)), VOLUME_BOTTOM, VOLUME_TOP)
    low, high, last = (format_price(price) for price in (min(bodies), max(bodies), candles[-1].close))
    trades = sum(each.volume for each in candles)
    return figure(
        value_axis(y, left=LEFT, right=RIGHT)
        + time_axis(x, candles[0].time, end, bottom=VOLUME_BOTTOM)
        + "".join(_draw(each, length, x=x, y=y, volume=volume) for each in candles),
        width=WIDTH,
        height=HEIGHT,
        title=title,
        description=f"Opened and closed between {low} and {high}, last at {last}; {trades:,} trades.",
        kind="candles",
    )


def _draw(candle: Candle, length: timedelta, *, x: Scale, y: Scale, volume: Scale) -> str:
    left, right = x(candle.time.timestamp()), x((candle.time + length).timestamp())
    width = max(0.7 * (right - left), 0.5)
    middle, kind = (left + right) / 2, "fall" if candle.close < candle.open else "rise"
    top, bottom = sorted((y.clip(candle.open), y.clip(candle.close)))
    label = (
        f"{candle.time:%-d %b %H:%M} UTC: open {format_price(candle.open)}, high {format_price(candle.high)},"
        f" low {format_price(candle.low)}, close {format_price(candle.close)}, {candle.volume:,} trades"
    )
    wick = f"M{number(middle)} {number(y.clip(candle.high))}V{number(y.clip(candle.low))}"
    return element(
        "g",
        element("title", label),
        element("path", d=wick, class_="wick"),
        _rectangle(middle, width, top=top, bottom=max(bottom, top + 1)),
        _rectangle(middle, width, top=volume(candle.volume), bottom=VOLUME_BOTTOM, kind="volume"),
        class_=kind,
    )


def _rectangle(middle: float, width: float, *, top: float, bottom: float, kind: str | None = None) -> str:
    return element(
        "rect",
        x=number(middle - width / 2),
        y=number(top),
        width=number(width),
        height=number(bottom - top),
        class_=kind,
    )
