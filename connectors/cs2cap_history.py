"""CS2Cap's raw history: asked for page by page, newest first, and typed as points."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from connectors.cs2cap_rows import Moment, Text
from connectors.cs2cap_sift import (
    Count,
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
    written,
)
from connectors.series import SeriesAsk
from connectors.series_frames import POINTS

PATH: Final = "/v1/prices/history"


class _Point(Named, gc=False, kw_only=True, rename={"lowest_ask": "price"}):
    provider: Text
    time: Moment
    lowest_ask: Minor
    currency: str
    quantity: Count

    def __post_init__(self) -> None:
        self.time = in_utc(self.time)


def params(ask: SeriesAsk) -> list[tuple[str, str]]:
    """Ask for the points of a window, at one provider or at all of them."""
    provider = [] if ask.provider is None else [("provider", ask.provider)]
    window = [("start", written(ask.start)), ("end", written(ask.end))]
    return [*about(ask.item), *provider, *window, ("currency", ask.currency)]


def read(body: bytes, ask: SeriesAsk, providers: Mapping[str, str], source: str) -> Told:
    """Type a page of points, schema `POINTS`; `providers` maps what the API may call a provider to its key.

    Raises ContractBroken for what is no such page, or not the answer to `ask`.
    """
    page = decoded(body, CursorPage, PATH, source)
    check_currency(page.meta.currency, ask, source)
    sifted = sift(page.items, _Point, lambda row: stranger(row.provider, row.currency, ask, providers))
    points = sifted.fitting
    rows = table(
        *(points, POINTS),
        item_id=ids(points),
        provider=[providers[point.provider] for point in points],
        price=[Decimal(point.lowest_ask).scaleb(-2) for point in points],
    )
    check_items(rows, ask, source)
    check_providers(rows, ask, source)
    return told(rows, sifted, page.pagination)
