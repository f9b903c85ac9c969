"""The whole of points and sales as frames, to compare with what a client made of their pages."""

from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import NamedTuple

import polars as pl

from sandbox.cs2cap.series.routes import SeriesRoutes
from sandbox.market.catalog import Item
from sandbox.market.money import convert
from sandbox.market.providers import KEYS

_MOMENT = pl.Datetime("us", "UTC")
_ITEM = {
    "provider": pl.String(),
    "item_id": pl.Int64(),
    "market_hash_name": pl.String(),
    "phase": pl.String(),
}
POINTS = {**_ITEM, "time": _MOMENT, "price": pl.Int64(), "quantity": pl.Int64()}
SALES = {
    **_ITEM,
    "time": _MOMENT,
    "price": pl.Int64(),
    "float_value": pl.Float64(),
    "paint_seed": pl.Int64(),
    "told_at": _MOMENT,
}


class TimeRange(NamedTuple):
    """Moments in microseconds, from `start` on and before `end`."""

    start: int
    end: int


def expected_points(
    series: SeriesRoutes, items: Iterable[Item], span: TimeRange, rate: Decimal
) -> pl.DataFrame:
    """Return every point of these items, columns as in `POINTS`, by item, newest first, by provider key.

    Prices in hundredths of the currency that `rate` leads to; times in UTC.
    """
    rows = (
        (KEYS[point.provider], *_names(item), point.time, convert(point.price, rate).minor, point.quantity)
        for item in items
        for point in series.history.points(item, span.start, span.end)
    )
    return _frame(rows, POINTS)


def expected_sales(
    series: SeriesRoutes, items: Iterable[Item] | None, now: int, rate: Decimal
) -> pl.DataFrame:
    """Return every sale that is known at `now` (microseconds), columns as in `SALES`, newest first.

    Of these entries' own places; None: of all. `told_at`: since when it is known.
    """
    board = series.archive.market.board
    places = None if items is None else [place for item in items for place in series.sold.places(item)]
    rows = (
        (
            KEYS[board.provider_of[sale.place]],
            *_names(board.item(sale.place)),
            sale.at,
            convert(quote.price, rate).minor,
            *series.sold.traits(sale)[:2],
            sale.told,
        )
        for sale, quote in series.sold.feed(now, places)
    )
    return _frame(rows, SALES)


def _names(item: Item) -> tuple[int, str, str | None]:
    return item.item_id, item.name, item.phase


def _frame(rows: Iterator[tuple[object, ...]], schema: dict[str, pl.DataType]) -> pl.DataFrame:
    raw = {name: pl.Int64() if kind == _MOMENT else kind for name, kind in schema.items()}
    moments = [name for name, kind in schema.items() if kind == _MOMENT]
    return pl.DataFrame(list(rows), schema=raw, orient="row").cast(dict.fromkeys(moments, _MOMENT))
