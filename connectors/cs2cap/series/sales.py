"""CS2Cap's sales: request parameters, and pages parsed into sales, newest first. A sale has no id."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
import polars as pl

from connectors.cs2cap.contract import AwareDatetime, Int64, MinorUnits
from connectors.cs2cap.query import item_params
from connectors.cs2cap.series.parser import (
    SeriesQuery,
    SeriesResponse,
    SeriesRow,
    parse_cursor_page,
    rows_to_frame,
)
from connectors.decoding import RowDecoder
from connectors.schemas import SALES

PATH: Final = "/v1/sales"
_SORTED_JSON: Final = msgspec.json.Encoder(order="sorted")


class _Sale(SeriesRow, kw_only=True, rename={"time": "date", "float_value": "float"}):
    time: AwareDatetime  # declared again: msgspec renames only the fields of the class itself
    price: MinorUnits
    float_value: float | None = None
    paint_seed: Int64 | None = None
    stickers: Any = None
    charms: Any = None
    inspect: Any = None


_SALES: Final = RowDecoder(_Sale)


def build_params(query: SeriesQuery) -> list[tuple[str, str]]:
    """Return the parameters for sales of one provider or of all; the API takes no window."""
    shard = query.shard
    provider = [] if shard.provider is None else [("providers", shard.provider)]
    return [*item_params(shard.item), *provider, ("currency", shard.currency)]


def parse(body: bytes, query: SeriesQuery) -> SeriesResponse:
    """Parse a page of sales, schema `SALES`; raises what `parse_cursor_page` raises."""
    return parse_cursor_page(body, query, path=PATH, decoder=_SALES, to_frame=_to_frame)


def _to_frame(sales: Sequence[_Sale], providers: Mapping[str, str]) -> pl.DataFrame:
    return rows_to_frame(
        sales,
        SALES,
        item_id=[str(sale.item_id) for sale in sales],
        provider=[providers[sale.provider] for sale in sales],
        stickers=[_to_json(sale.stickers) for sale in sales],
        charms=[_to_json(sale.charms) for sale in sales],
        inspect=[_to_json(sale.inspect) for sale in sales],
    )


def _to_json(value: object) -> str | None:
    """Encode a value so that equal values have equal text: a sale without an id is known by its content."""
    return None if value is None else _SORTED_JSON.encode(value).decode()
