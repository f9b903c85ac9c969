"""All points, sales and daily points as frames."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Final, NamedTuple

import polars as pl

from sandbox.clock import DAY
from sandbox.cs2cap.series.routes import SeriesRoutes
from sandbox.market.catalog import Item
from sandbox.market.frames import ITEM_COLUMNS, TIME, build_frame
from sandbox.market.money import convert
from sandbox.market.providers import KEYS

POINTS: Final = {**ITEM_COLUMNS, "time": TIME, "price": pl.Int64(), "quantity": pl.Int64()}
DAILY: Final = {**ITEM_COLUMNS, "day": pl.Date(), "price": pl.Int64(), "quantity": pl.Int64()}
SALES: Final = {
    **ITEM_COLUMNS,
    "time": TIME,
    "price": pl.Int64(),
    "float_value": pl.Float64(),
    "paint_seed": pl.Int64(),
    "told_at": TIME,
}


class TimeRange(NamedTuple):
    """Times in microseconds, from `start` to before `end`."""

    start: int
    end: int


def expected_points(
    series: SeriesRoutes, items: Iterable[Item], time_range: TimeRange, *, rate: Decimal
) -> pl.DataFrame:
    """Return the points of items, columns as in `POINTS`, by item, newest first, by provider key.

    Prices in hundredths of the currency of `rate`; times in UTC.
    """
    rows = (
        (
            *(KEYS[point.provider], item.item_id, item.name, item.phase),
            *(point.time, convert(point.price, rate).minor, point.quantity),
        )
        for item in items
        for point in series.history.points(item, *time_range)
    )
    return build_frame(rows, POINTS)


def expected_daily(
    series: SeriesRoutes, items: Iterable[Item], time_range: TimeRange, *, now: int, rate: Decimal
) -> pl.DataFrame:
    """Return the daily points of items at `now` (microseconds), columns as in `DAILY`, oldest first.

    By item and provider; prices in hundredths of the currency of `rate`; days of UTC.
    """
    rows = (
        (
            *(KEYS[provider], item.item_id, item.name, item.phase),
            *(point.time // DAY, convert(point.price, rate).minor, point.quantity),
        )
        for item in items
        for provider, points in series.daily.points(item, *time_range, now=now)
        for point in points
    )
    return build_frame(rows, {**DAILY, "day": pl.Int32()}).cast({"day": pl.Date()})


def expected_sales(
    series: SeriesRoutes, items: Iterable[Item] | None, now: int, *, rate: Decimal
) -> pl.DataFrame:
    """Return the sales that the API knows at `now` (microseconds), columns as in `SALES`, newest first.

    Of the places of these items; None: of all. `told_at`: when the API first knows the sale.
    """
    board, feed = series.archive.market.board, series.sales_feed
    places = None if items is None else [place for item in items for place in feed.places(item)]
    rows: list[tuple[object, ...]] = []
    for sale, quote in feed.sales(now, places):
        item, traits = board.item(sale.place), feed.traits(sale)
        provider = KEYS[board.provider_of[sale.place]]
        rows.append(
            (
                *(provider, item.item_id, item.name, item.phase),
                *(sale.at, convert(quote.price, rate).minor, traits.wear, traits.seed, sale.known_at),
            )
        )
    return build_frame(rows, SALES)
