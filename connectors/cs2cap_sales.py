"""CS2Cap's sales: asked for page by page, newest first, and typed. They have no ids, and no window."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from connectors.cs2cap_rows import Id, Moment, Text
from connectors.cs2cap_sift import (
    CursorPage,
    Minor,
    Named,
    Told,
    about,
    check_currency,
    check_items,
    check_providers,
    decoded,
    ids,
    in_utc,
    sift,
    stranger,
    table,
    told,
)
from connectors.series import SeriesAsk
from connectors.series_frames import SALES

PATH: Final = "/v1/sales"

_JSON: Final = msgspec.json.Encoder(order="sorted")


class _Sale(Named, kw_only=True, rename={"time": "date", "float_value": "float"}):
    provider: Text
    time: Moment
    price: Minor
    currency: str
    float_value: float | None = None
    paint_seed: Id | None = None
    stickers: Any = None
    charms: Any = None
    inspect: Any = None

    def __post_init__(self) -> None:
        self.time = in_utc(self.time)


def params(ask: SeriesAsk) -> list[tuple[str, str]]:
    """Ask for sales, at one provider or at all of them; of a window the API knows nothing."""
    provider = [] if ask.provider is None else [("providers", ask.provider)]
    return [*about(ask.item), *provider, ("currency", ask.currency)]


def read(body: bytes, ask: SeriesAsk, providers: Mapping[str, str], source: str) -> Told:
    """Type a page of sales, schema `SALES`; `providers` maps what the API may call a provider to its key.

    Raises ContractBroken for what is no such page, or not the answer to `ask`.
    """
    page = decoded(body, CursorPage, PATH, source)
    check_currency(page.meta.currency, ask, source)
    sifted = sift(page.items, _Sale, lambda row: stranger(row.provider, row.currency, ask, providers))
    sales = sifted.fitting
    rows = table(
        *(sales, SALES),
        item_id=ids(sales),
        provider=[providers[sale.provider] for sale in sales],
        stickers=[_as_json(sale.stickers) for sale in sales],
        charms=[_as_json(sale.charms) for sale in sales],
        inspect=[_as_json(sale.inspect) for sale in sales],
    )
    check_items(rows, ask, source)
    check_providers(rows, ask, source)
    return told(rows, sifted, page.pagination)


def _as_json(value: object) -> str | None:
    """What the API told, as JSON that is always the same for the same value."""
    return None if value is None else _JSON.encode(value).decode()
