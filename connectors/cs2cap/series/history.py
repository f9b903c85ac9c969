"""CS2Cap's price history: request parameters, and pages parsed into points, newest first."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Final

import polars as pl

from connectors.cs2cap.contract import Count, MinorUnits
from connectors.cs2cap.query import item_params
from connectors.cs2cap.series.parser import (
    SeriesQuery,
    SeriesResponse,
    SeriesRow,
    iso8601,
    parse_cursor_page,
    rows_to_frame,
)
from connectors.decoding import RowDecoder
from connectors.schemas import POINTS

PATH: Final = "/v1/prices/history"


class _Point(SeriesRow, gc=False, kw_only=True, rename={"lowest_ask": "price"}):
    lowest_ask: MinorUnits
    quantity: Count


_POINTS: Final = RowDecoder(_Point)


def build_params(query: SeriesQuery) -> list[tuple[str, str]]:
    """Return the parameters for the points of a window, of one provider or of all."""
    shard = query.shard
    provider = [] if shard.provider is None else [("provider", shard.provider)]
    window = [("start", iso8601(shard.start)), ("end", iso8601(shard.end))]
    return [*item_params(shard.item), *provider, *window, ("currency", shard.currency)]


def parse(body: bytes, query: SeriesQuery) -> SeriesResponse:
    """Parse a page of points, schema `POINTS`; raises what `parse_cursor_page` raises."""
    return parse_cursor_page(body, query, path=PATH, decoder=_POINTS, to_frame=_to_frame)


def _to_frame(points: Sequence[_Point], providers: Mapping[str, str]) -> pl.DataFrame:
    return rows_to_frame(
        points,
        POINTS,
        item_id=[str(point.item_id) for point in points],
        provider=[providers[point.provider] for point in points],
        price=[Decimal(point.lowest_ask).scaleb(-2) for point in points],
    )
