"""CS2Cap's market figures: one response has a row for each item, computed over all marketplaces.

The prices in it are left out: the quotes have them, exactly and by marketplace.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Final

import polars as pl
from msgspec import Raw, Struct

from connectors.cs2cap.contract import AwareDatetime, Count, Int64, NonEmptyStr
from connectors.cs2cap.entries import OnOdd, decode_entries, utc_or_none
from connectors.decoding import EntryDecoder, PageDecoder, decode_or_none
from connectors.schemas import MARKET_STATS

PATH: Final = "/v1/market/items"


class _Summary(Struct, gc=False):
    provider_count: Count | None = None
    sales_1d: Count | None = None
    sales_7d: Count | None = None
    sales_30d: Count | None = None
    steam_sales_7d: Count | None = None
    steam_sales_30d: Count | None = None
    supply: Count | None = None
    liquidity: Int64 | None = None
    rank: Count | None = None


class _Row(Struct):
    item_id: Int64
    market_hash_name: NonEmptyStr
    summary: Raw
    phase: str | None = None


class _Meta(Struct):
    generated_at: AwareDatetime | None = None


class _Items(Struct):
    items: list[Raw]


class _Response(Struct):
    data: Raw
    meta: Raw = Raw(b"null")


_RESPONSE: Final = PageDecoder(_Response)
_META: Final = EntryDecoder(_Meta)
_ITEMS: Final = PageDecoder(_Items)
_ROW: Final = EntryDecoder(_Row)
_SUMMARY: Final = EntryDecoder(_Summary)


def parse_market_stats(
    body: bytes,
    received_at: datetime,
    source: str = "",
    *,
    is_ahead: Callable[[datetime], bool] = lambda _moment: False,
    on_odd: OnOdd = lambda _: None,
) -> pl.DataFrame:
    """Parse the figures, schema `MARKET_STATS`; a row without a readable id or name is left out.

    `observed_at` is the API's time of the figures, or `received_at` (UTC) where the API gives none, or one
    that `is_ahead` of our clock. Raises UnexpectedResponse where the body has no such rows, or none that can
    be read.
    """
    response = _RESPONSE.decode_response(body, route=PATH, source=source)
    meta = decode_or_none(_META, response.meta)
    observed_at = None if meta is None else utc_or_none(meta[0].generated_at)
    if observed_at is None or is_ahead(observed_at):
        observed_at = received_at
    raws = _ITEMS.decode_response(bytes(response.data), route=PATH, source=source).items
    entries = (("", bytes(raw)) for raw in raws)
    rows = decode_entries(entries, _decode_row, PATH, source=source, on_odd=on_odd)
    given = {
        name: [getattr(summary, name) for _, (_, summary) in rows] for name in _Summary.__struct_fields__
    }
    columns = {
        "item_id": [str(row.item_id) for _, (row, _) in rows],
        "market_hash_name": [row.market_hash_name for _, (row, _) in rows],
        "phase": [row.phase or None for _, (row, _) in rows],
        "observed_at": [observed_at] * len(rows),
        **given,
    }
    return pl.DataFrame(columns, schema=MARKET_STATS, strict=True)


def _decode_row(raw: bytes) -> tuple[tuple[_Row, _Summary], list[str]]:
    row, problems = _ROW.decode(raw)
    summary, odd = _SUMMARY.decode(row.summary)
    return (row, summary), [*problems, *odd]
