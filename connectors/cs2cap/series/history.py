"""CS2Cap's raw history: asked for page by page, newest first, and typed as points."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from common.shards import SeriesShard
from connectors.cs2cap.contract import AwareDatetime, NonEmptyStr
from connectors.cs2cap.series.parser import (
    Count,
    CursorResponse,
    ItemFields,
    Minor,
    SeriesResponse,
    build_response,
    check_currency,
    check_items,
    check_providers,
    decode_response,
    iso8601,
    item_ids,
    item_params,
    reject_reason,
    rows_to_frame,
    to_utc,
)
from connectors.rows import RowDecoder
from connectors.schemas import POINTS

PATH: Final = "/v1/prices/history"


class _Point(ItemFields, gc=False, kw_only=True, rename={"lowest_ask": "price"}):
    provider: NonEmptyStr
    time: AwareDatetime
    lowest_ask: Minor
    currency: str
    quantity: Count

    def __post_init__(self) -> None:
        self.time = to_utc(self.time)


_ROWS: Final = RowDecoder(_Point)


def build_params(ask: SeriesShard) -> list[tuple[str, str]]:
    """Ask for the points of a window, at one provider or at all of them."""
    provider = [] if ask.provider is None else [("provider", ask.provider)]
    window = [("start", iso8601(ask.start)), ("end", iso8601(ask.end))]
    return [*item_params(ask.item), *provider, *window, ("currency", ask.currency)]


def parse(body: bytes, ask: SeriesShard, providers: Mapping[str, str], source: str) -> SeriesResponse:
    """Type a page of points, schema `POINTS`; `providers` maps what the API may call a provider to its key.

    Raises ContractBroken for what is no such page, or not the answer to `ask`.
    """
    page = decode_response(body, CursorResponse, PATH, source)
    check_currency(page.meta.currency, ask, source)
    decoded = _ROWS.decode_all(
        page.items, lambda row: reject_reason(row.provider, row.currency, ask, providers)
    )
    points = decoded.fitting
    rows = rows_to_frame(
        *(points, POINTS),
        item_id=item_ids(points),
        provider=[providers[point.provider] for point in points],
        price=[Decimal(point.lowest_ask).scaleb(-2) for point in points],
    )
    check_items(rows, ask, source)
    check_providers(rows, ask, source)
    return build_response(rows, decoded, page.items, page.pagination)
