"""The rows of SkinShark's price listing, parsed: dollars with two decimal places become exact cents."""

from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from typing import Annotated, Final

import msgspec
import polars as pl
from msgspec import Meta, Raw, Struct

from common.text import sanitize
from connectors.decoding import DECODE_ERRORS, RowDecoder, decode_response
from connectors.schemas import QUOTES

ROUTE: Final = "/market/prices"
_MAX_DOLLARS: Final = Decimal(10**12)
_NonEmptyStr = Annotated[str, Meta(min_length=1)]


class Row(Struct, gc=False, rename="camel"):
    """The prices of one item: each is a whole number of cents, or null where nothing is for sale."""

    item_id: _NonEmptyStr
    market_hash_name: _NonEmptyStr
    instant: Decimal | None
    standard: Decimal | None
    phases: dict[_NonEmptyStr, Decimal] = {}

    def __post_init__(self) -> None:
        # msgspec turns the ValueError into a ValidationError, which makes the row a reject
        for price in (self.instant, self.standard, *self.phases.values()):
            if price is not None:
                to_cents(price)


class Listing(Struct, rename="camel"):
    """One page of the listing; `items` are its rows as JSON, `limit` is -1 for the whole listing."""

    items: list[Raw]
    total: Annotated[int, Meta(ge=0)]
    page: Annotated[int, Meta(ge=1)]
    limit: Annotated[int, Meta(ge=-1)]
    total_pages: Annotated[int, Meta(ge=0)]


ROWS: Final = RowDecoder(Row)
_LISTING: Final = msgspec.json.Decoder(Listing)


def decode_listing(data: bytes, source: str = "") -> Listing:
    """Decode the content of an envelope; raises UnexpectedResponse where it is not a listing."""
    return decode_response(_LISTING, data, route=ROUTE, source=source)


def to_cents(dollars: Decimal) -> int:
    """Convert a price to cents; raises ValueError unless it is a whole number of cents, and in range."""
    if dollars.is_finite() and 0 <= dollars < _MAX_DOLLARS:
        cents = int(dollars.scaleb(2))
        if Decimal(cents).scaleb(-2) == dollars:
            return cents
    raise ValueError(f"{sanitize(str(dollars), 40)} is not a price in whole cents")


def to_quotes_frame(rows: Iterable[Row], provider: str) -> pl.DataFrame:
    """Return the prices of `rows` as a frame of the schema `QUOTES`; a null price gives no row.

    The API reports no quantity, timestamp or address: these columns are null.
    """
    quotes = [quote for row in rows for quote in _quotes(row)]
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


def _quotes(row: Row) -> Iterator[tuple[str, str, str | None, str, Decimal]]:
    """Yield item id, name, phase, delivery and price of each thing for sale."""
    item = row.item_id, row.market_hash_name
    if row.standard is not None:
        yield *item, None, "standard", row.standard
    if row.instant is not None:
        yield *item, None, "instant", row.instant
    for phase, price in row.phases.items():
        yield *item, phase, "standard", price


def reparse_reject(raw: str, provider: str) -> pl.DataFrame | None:
    """Parse a rejected row again, schema `QUOTES`; None if it still does not fit."""
    try:
        return to_quotes_frame([ROWS.decode(raw.encode())], provider)
    except DECODE_ERRORS:
        return None
