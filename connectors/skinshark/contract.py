"""A page of SkinShark's price listing, typed: dollars with two places become exact cents."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Final

import msgspec
import polars as pl
from msgspec import Meta, Raw, Struct

from common.errors import UnexpectedResponse
from common.text import sanitize
from connectors.pages import Reject
from connectors.rows import DECODE_ERRORS, RowDecoder
from connectors.schemas import QUOTES

ROUTE: Final = "/market/prices"
_MOST: Final = Decimal(10**12)
Text = Annotated[str, Meta(min_length=1)]


class Row(Struct, gc=False, rename="camel"):
    """A row as the contract has it; a price is null where nothing is listed, else whole cents."""

    item_id: Text
    market_hash_name: Text
    instant: Decimal | None
    standard: Decimal | None
    phases: dict[Text, Decimal] = {}

    def __post_init__(self) -> None:
        for price in (self.instant, self.standard, *self.phases.values()):
            if price is not None:
                to_cents(price)


class _Listing(Struct, rename="camel"):
    items: list[Raw]
    total: Annotated[int, Meta(ge=0)]
    page: Annotated[int, Meta(ge=1)]
    limit: Annotated[int, Meta(ge=-1)]
    total_pages: Annotated[int, Meta(ge=0)]


_LISTING: Final = msgspec.json.Decoder(_Listing)
_ROWS: Final = RowDecoder(Row)


@dataclass(frozen=True, slots=True, eq=False)
class ParsedListing:
    """One answer of the listing: its rows in their order, those that do not fit, and its place.

    `limit` is what the source says that a page holds, -1 for everything; `unknown_fields` tells how many rows
    carry a field that the contract does not know.
    """

    rows: tuple[Row, ...]
    rejects: tuple[Reject, ...]
    unknown_fields: dict[str, int]
    total: int
    page: int
    limit: int
    total_pages: int


def parse_listing(data: bytes, source: str = "") -> ParsedListing:
    """Type the content of an envelope; raises ContractBroken if it is no listing."""
    try:
        told = _LISTING.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UnexpectedResponse(f"{ROUTE}: {sanitize(str(error))}", source) from None
    decoded = _ROWS.decode_all(told.items)
    return ParsedListing(
        rows=tuple(decoded.fitting),
        rejects=decoded.rejects,
        unknown_fields=decoded.unknown_fields,
        total=told.total,
        page=told.page,
        limit=told.limit,
        total_pages=told.total_pages,
    )


def to_cents(dollars: Decimal) -> int:
    """Return `dollars` in cents. Raises ValueError where that would lose something, and for no price."""
    if dollars.is_finite() and 0 <= dollars < _MOST:
        cents = int(dollars.scaleb(2))
        if Decimal(cents).scaleb(-2) == dollars:
            return cents
    raise ValueError(f"{sanitize(str(dollars), 40)} is no price in whole cents")


def to_quotes_frame(rows: Iterable[Row], provider: str) -> pl.DataFrame:
    """Put what `rows` ask into a frame of the schema `QUOTES`; a null is no quote, and no row.

    The source tells neither a quantity nor a moment of change: both are null.
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
    unknown = {name: [None] * count for name in QUOTES.names() if name not in columns}
    return pl.DataFrame({**columns, **unknown}, schema=QUOTES, strict=True)


def _quotes(row: Row) -> Iterator[tuple[str, str, str | None, str, Decimal]]:
    about = row.item_id, row.market_hash_name
    if row.standard is not None:
        yield *about, None, "standard", row.standard
    if row.instant is not None:
        yield *about, None, "instant", row.instant
    for phase, price in row.phases.items():
        yield *about, phase, "standard", price


def reparse_reject(raw: str, provider: str) -> pl.DataFrame | None:
    """Type one rejected row anew, schema `QUOTES`; None if it still does not fit."""
    try:
        return to_quotes_frame([_ROWS.decode(raw.encode())], provider)
    except DECODE_ERRORS:
        return None
