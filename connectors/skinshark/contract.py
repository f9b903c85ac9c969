"""SkinShark's price listing as quotes: dollars with two decimal places become exact cents."""

from collections.abc import Iterable, Sequence
from typing import Annotated, Final

import polars as pl
from msgspec import Meta, Raw, Struct

from connectors.decoding import DECODE_ERRORS, PageDecoder
from connectors.schemas import QUOTES
from connectors.skinshark.rows import Row, decode_row, to_cents

ROUTE: Final = "/market/prices"


class Listing(Struct, rename="camel"):
    """One page of the listing; `items` are its rows as JSON, `limit` is -1 for the whole listing."""

    items: list[Raw]
    total: Annotated[int, Meta(ge=0)]
    page: Annotated[int, Meta(ge=1)]
    limit: Annotated[int, Meta(ge=-1)]
    total_pages: Annotated[int, Meta(ge=0)]


_LISTING: Final = PageDecoder(Listing)


def decode_listing(data: bytes, source: str = "") -> Listing:
    """Decode the content of an envelope; raises UnexpectedResponse where it is not a listing."""
    return _LISTING.decode_response(data, route=ROUTE, source=source)


def to_quotes_frame(rows: Iterable[Row], provider: str) -> pl.DataFrame:
    """Return the prices of `rows` as a frame of the schema `QUOTES`; a null price gives no row.

    The API reports no quantity, timestamp or address: these columns are null.
    """
    quotes = [(row.item_id, row.market_hash_name, *quote) for row in rows for quote in row.quotes()]
    count = len(quotes)
    item_id, name, phase, delivery, price = zip(*quotes, strict=True) if quotes else ((),) * 5
    columns: dict[str, Sequence[object]] = {
        "item_id": item_id,
        "market_hash_name": name,
        "phase": phase,
        "provider": [provider] * count,
        "delivery": delivery,
        "lowest_ask": [to_cents(dollars) for dollars in price],
        "price": price,
    }
    missing = {name: [None] * count for name in QUOTES.names() if name not in columns}
    return pl.DataFrame({**columns, **missing}, schema=QUOTES, strict=True)


def reparse_reject(raw: str, provider: str) -> pl.DataFrame | None:
    """Parse a rejected row again, schema `QUOTES`; None while any part of the row does not fit.

    The prices of the row that were stored when the row arrived are among the quotes: they are of the same
    moment, so that storing them again changes nothing.
    """
    try:
        row, problems = decode_row(raw.encode())
    except DECODE_ERRORS:
        return None
    return None if problems else to_quotes_frame([row], provider)
