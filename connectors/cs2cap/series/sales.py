"""CS2Cap's sales: asked for page by page, newest first, and typed. They have no ids, and no window."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from common.shards import SeriesShard
from connectors.cs2cap.contract import AwareDatetime, Int64, NonEmptyStr
from connectors.cs2cap.series.parser import (
    CursorResponse,
    ItemFields,
    Minor,
    SeriesResponse,
    build_response,
    check_currency,
    check_items,
    check_providers,
    decode_response,
    item_ids,
    item_params,
    reject_reason,
    rows_to_frame,
    to_utc,
)
from connectors.rows import RowDecoder
from connectors.schemas import SALES

PATH: Final = "/v1/sales"
_JSON: Final = msgspec.json.Encoder(order="sorted")


class _Sale(ItemFields, kw_only=True, rename={"time": "date", "float_value": "float"}):
    provider: NonEmptyStr
    time: AwareDatetime
    price: Minor
    currency: str
    float_value: float | None = None
    paint_seed: Int64 | None = None
    stickers: Any = None
    charms: Any = None
    inspect: Any = None

    def __post_init__(self) -> None:
        self.time = to_utc(self.time)


_ROWS: Final = RowDecoder(_Sale)


def build_params(ask: SeriesShard) -> list[tuple[str, str]]:
    """Ask for sales, at one provider or at all of them; of a window the API knows nothing."""
    provider = [] if ask.provider is None else [("providers", ask.provider)]
    return [*item_params(ask.item), *provider, ("currency", ask.currency)]


def parse(body: bytes, ask: SeriesShard, providers: Mapping[str, str], source: str) -> SeriesResponse:
    """Type a page of sales, schema `SALES`; `providers` maps what the API may call a provider to its key.

    Raises ContractBroken for what is no such page, or not the answer to `ask`.
    """
    page = decode_response(body, CursorResponse, PATH, source)
    check_currency(page.meta.currency, ask, source)
    decoded = _ROWS.decode_all(
        page.items, lambda row: reject_reason(row.provider, row.currency, ask, providers)
    )
    sales = decoded.fitting
    rows = rows_to_frame(
        *(sales, SALES),
        item_id=item_ids(sales),
        provider=[providers[sale.provider] for sale in sales],
        stickers=[_as_json(sale.stickers) for sale in sales],
        charms=[_as_json(sale.charms) for sale in sales],
        inspect=[_as_json(sale.inspect) for sale in sales],
    )
    check_items(rows, ask, source)
    check_providers(rows, ask, source)
    return build_response(rows, decoded, page.items, page.pagination)


def _as_json(value: object) -> str | None:
    """What the API told, as JSON that is always the same for the same value."""
    return None if value is None else _JSON.encode(value).decode()
