"""The rows and listing responses of CS2Cap's asks and bids, as its API contract defines them."""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Final

import msgspec
from msgspec import Meta, Raw, Struct

from common import numbers
from common.text import sanitize
from connectors.decoding import PageDecoder
from connectors.pages import NO_PHASE
from connectors.pagination import PageInfo

# The usual notation of an amount, which is cast for a whole page at once: digits and a point only, within
# Decimal(20, 8). Any other notation, such as 3.7E-7, is parsed row by row.
DECIMAL_PATTERN: Final = r"^[0-9]{1,12}(\.[0-9]{1,8})?$"
# Python reads other digits and underscores, too.
ANY_NOTATION: Final = re.compile(r"\s*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,9})?\s*", re.ASCII)
MAX_MINOR_UNITS: Final = 10**14 - 1
NonEmptyStr = Annotated[str, Meta(min_length=1)]
Int64 = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
Count = Annotated[int, Meta(ge=0, le=2**63 - 1)]
MinorUnits = Annotated[int, Meta(ge=0, le=MAX_MINOR_UNITS)]
AwareDatetime = Annotated[datetime, Meta(tz=True)]
_PRICE_LIMIT: Final = Decimal(10**12)
_PRICE_PLACES: Final = Decimal("1E-8")


# gc=False: rows hold no reference cycles, and the garbage collector need not visit so many of them.
class _CommonFields(Struct, gc=False, kw_only=True):
    provider: NonEmptyStr
    item_id: Int64
    market_hash_name: NonEmptyStr
    lowest_ask: MinorUnits
    quantity: Count
    # An empty phase is not exact: rows that are validated alone take it for none.
    phase: NonEmptyStr | None = None
    link: str | None = None
    url: str | None = None


class Row(_CommonFields, gc=False, kw_only=True, forbid_unknown_fields=True):
    """An ask; its decimal and its timestamps are strings, validated for a whole page at once."""

    lowest_ask_decimal: str | None = None
    timestamp: str | None = None
    last_updated: str | None = None


class StrictRow(_CommonFields, gc=False, kw_only=True):
    """An ask that is validated alone; unknown fields are allowed, and counted by the row decoder.

    Its decimal is JSON text or a JSON number in any notation.
    """

    phase: str | None = None
    lowest_ask_decimal: Raw = Raw(b"null")
    timestamp: AwareDatetime | None = None
    last_updated: AwareDatetime | None = None

    def __post_init__(self) -> None:
        # msgspec turns a ValueError into a ValidationError, which makes the row a reject.
        self.read_price()
        self.phase = self.phase or None
        self.timestamp = self.timestamp and to_utc(self.timestamp)
        self.last_updated = self.last_updated and to_utc(self.last_updated)

    def read_price(self) -> Decimal | None:
        """Return the decimal with eight places; None where there is none.

        Raises ValueError where it is no number, or none that Decimal(20, 8) holds exactly.
        """
        value = bytes(self.lowest_ask_decimal)
        if value == b"null":
            return None
        text = msgspec.json.decode(value, type=str) if value.startswith(b'"') else value.decode()
        amount = Decimal(text) if ANY_NOTATION.fullmatch(text) else None
        if amount is not None and 0 <= amount < _PRICE_LIMIT:
            price = amount.quantize(_PRICE_PLACES).copy_abs()  # no minus sign before a zero
            if price == amount:
                return price
        # A bid has another name for the field.
        name = self.__struct_encode_fields__[self.__struct_fields__.index("lowest_ask_decimal")]
        raise ValueError(
            f"{name} {sanitize(text, 40)} is not a price below 10^12 with at most 8 decimal places"
        )


def to_utc(time: datetime) -> datetime:
    """Convert a time to UTC; raises ValueError where it is outside the calendar there."""
    utc = numbers.to_utc(time)
    if utc is None:
        raise ValueError("the time is outside the calendar in UTC")
    return utc


_BID_NAMES: Final = {
    "lowest_ask": "highest_bid",
    "lowest_ask_decimal": "highest_bid_decimal",
    "quantity": "num_bids",
}


# msgspec renames only the fields that a class declares itself, so the renamed fields are declared again.
class _BidRow(Row, gc=False, kw_only=True, forbid_unknown_fields=True, rename=_BID_NAMES):
    lowest_ask: MinorUnits
    quantity: Count
    lowest_ask_decimal: str | None = None


class _StrictBidRow(StrictRow, gc=False, kw_only=True, rename=_BID_NAMES):
    lowest_ask: MinorUnits
    quantity: Count
    lowest_ask_decimal: Raw = Raw(b"null")


class BookSide(Struct, frozen=True):
    """Asks or bids: the API's route for them, their `delivery` in `QUOTES`, and the types of their rows.

    A bid takes the columns of an ask: `lowest_ask` is the highest bid, `quantity` the number of bids.
    """

    path: str
    delivery: str
    row: type[Row]
    strict_row: type[StrictRow]

    @property
    def stream_route(self) -> str:
        """The route of the stream, as the API counts its starts."""
        return f"POST {self.path}"

    @property
    def wire_names(self) -> Mapping[str, str]:
        """The API's name of each field of a row."""
        return dict(zip(self.row.__struct_fields__, self.row.__struct_encode_fields__, strict=True))


ASKS: Final = BookSide("/v1/prices", "standard", Row, strict_row=StrictRow)
BIDS: Final = BookSide("/v1/bids", "bid", row=_BidRow, strict_row=_StrictBidRow)
BOOK_SIDES: Final = {side.delivery: side for side in (ASKS, BIDS)}


def row_keys(rows: Iterable[Row | StrictRow]) -> list[str]:
    """Return the key of each row, as `connectors.schemas.join_keys` writes it."""
    return [f"{row.item_id}\t{NO_PHASE if row.phase is None else row.phase}\t{row.provider}" for row in rows]


class _Pagination(Struct):
    limit: Annotated[int, Meta(ge=1)]
    offset: Annotated[int, Meta(ge=0)]
    total: Annotated[int, Meta(ge=-1)]
    has_next: bool

    def page_info(self, keys: Sequence[str], fingerprint: str, *, others: int, repeats: int) -> PageInfo:
        """Return what a paginator needs to know of a page with these distinct `keys`; see `PageInfo`."""
        return PageInfo(
            offset=self.offset,
            limit=self.limit,
            total=self.total,
            has_next=self.has_next,
            keys=keys,
            fingerprint=fingerprint,
            others=others,
            repeats=repeats,
        )


class ResponseMeta(Struct):
    """The part of every response that says what its prices are in."""

    currency: str


class ListingResponse(Struct):
    """One page of asks or bids; `items` are its rows as JSON."""

    meta: ResponseMeta
    items: list[Raw]
    pagination: _Pagination


_LISTING: Final = PageDecoder(ListingResponse)


def decode_listing(body: bytes, side: BookSide, source: str) -> ListingResponse:
    """Decode one page of `side`; raises UnexpectedResponse where `body` is not such a page."""
    return _LISTING.decode_response(body, route=side.path, source=source)
