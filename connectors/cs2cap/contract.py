"""A row of CS2Cap's asks or bids, as the contract has it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Final, TypeVar

import msgspec
from msgspec import Meta, Raw, Struct

from common.errors import PaginationError, UnexpectedResponse
from common.shards import Item
from common.text import sanitize

# Digits and a point only, within Decimal(20, 8): no sign, comma, exponent or ninth place.
DECIMAL_PATTERN: Final = r"^[0-9]{1,12}(\.[0-9]{1,8})?$"
MAX_MINOR_UNITS: Final = 10**14 - 1
NonEmptyStr = Annotated[str, Meta(min_length=1)]
Int64 = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
_Count = Annotated[int, Meta(ge=0, le=2**63 - 1)]
_Minor = Annotated[int, Meta(ge=0, le=MAX_MINOR_UNITS)]
_Exact = Annotated[str, Meta(pattern=DECIMAL_PATTERN.replace("$", r"\Z"))]
AwareDatetime = Annotated[datetime, Meta(tz=True)]


class _Common(Struct, gc=False, kw_only=True):
    provider: NonEmptyStr
    item_id: Int64
    market_hash_name: NonEmptyStr
    lowest_ask: _Minor
    quantity: _Count
    phase: str | None = None
    link: str | None = None
    url: str | None = None


class Row(_Common, gc=False, kw_only=True, forbid_unknown_fields=True):
    """An ask; whether its decimal and its moments are exact is seen for a whole page."""

    lowest_ask_decimal: str | None = None
    timestamp: str | None = None
    last_updated: str | None = None


class StrictRow(_Common, gc=False, kw_only=True):
    """The same, on its own: checked whole, its unknown fields counted elsewhere."""

    lowest_ask_decimal: _Exact | None = None
    timestamp: AwareDatetime | None = None
    last_updated: AwareDatetime | None = None


_BIDS: Final = {
    "lowest_ask": "highest_bid",
    "lowest_ask_decimal": "highest_bid_decimal",
    "quantity": "num_bids",
}


class _BidRow(Row, gc=False, kw_only=True, forbid_unknown_fields=True, rename=_BIDS):
    lowest_ask: _Minor
    quantity: _Count
    lowest_ask_decimal: str | None = None


class _CheckedBidRow(StrictRow, gc=False, kw_only=True, rename=_BIDS):
    lowest_ask: _Minor
    quantity: _Count
    lowest_ask_decimal: _Exact | None = None


@dataclass(frozen=True, slots=True)
class BookSide:
    """What a marketplace is asked for: asks or bids; by which routes, and how the API writes a row.

    A bid takes an ask's place in `QUOTES`: the highest bid in `lowest_ask`, how many there are in `quantity`.
    """

    path: str
    delivery: str
    row: type[Row]
    checked: type[StrictRow]

    @property
    def wire_names(self) -> Mapping[str, str]:
        """The API's names of a row's fields, by ours."""
        return dict(zip(self.row.__struct_fields__, self.row.__struct_encode_fields__, strict=True))


ASKS: Final = BookSide("/v1/prices", "standard", Row, StrictRow)
BIDS: Final = BookSide("/v1/bids", "bid", _BidRow, _CheckedBidRow)
BOOK_SIDES: Final = {offers.delivery: offers for offers in (ASKS, BIDS)}


def normalize_timestamps(row: StrictRow) -> Row:
    """The row with its moments in the one form that a page's are read in."""
    fields = msgspec.structs.asdict(row)
    for name in ("timestamp", "last_updated"):
        moment = fields[name]
        fields[name] = moment.isoformat() if moment is not None else None
    return Row(**fields)


_T = TypeVar("_T")


class _Pagination(Struct):
    limit: Annotated[int, Meta(ge=1)]
    offset: Annotated[int, Meta(ge=0)]
    total: Annotated[int, Meta(ge=-1)]
    has_next: bool


class _Meta(Struct):
    currency: str


class ListingResponse(Struct):
    """An answer that lists offers: what it says about itself, and its rows as they came."""

    meta: _Meta
    items: list[Raw]
    pagination: _Pagination


_LISTING: Final = msgspec.json.Decoder(ListingResponse)


def decode_listing(body: bytes, source: str, offers: BookSide) -> ListingResponse:
    """Read an answer that lists `offers`; raises ContractBroken if it is no such answer at all."""
    return decode_response(_LISTING, body, offers.path, source)


def decode_response(decoder: msgspec.json.Decoder[_T], body: bytes, route: str, source: str) -> _T:
    """Decode an answer of `route`; raises ContractBroken if it is none."""
    try:
        return decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UnexpectedResponse(f"{route}: {sanitize(str(error))}", source) from None


@dataclass(frozen=True, slots=True)
class PageQuery:
    """What a walk asks for: `item`, or everything if None; `providers` to ask at, or every one if empty.

    Of everything, only the rows of the items `wanted` are kept, if there are such.
    """

    source: str
    offers: BookSide
    place: int
    currency: str
    providers: frozenset[str]
    item: Item | None
    wanted: tuple[Item, ...] | None = None


def check_response(question: PageQuery, offset: int, currency: str, got: int) -> None:
    """Raise ContractBroken for an answer in another `currency`, WalkBroken for one from another offset."""
    if currency != question.currency:
        raise UnexpectedResponse(
            f"asked for {question.currency}, got {sanitize(currency, 20)}", question.source
        )
    if got != offset:
        raise PaginationError(f"asked for offset {offset}, got {got}", question.source)


def check_providers(told: frozenset[str], asked: frozenset[str], source: str) -> None:
    """Raise ContractBroken where others are `told` of than were `asked`; if empty, all were."""
    strangers = told - asked if asked else ()
    if strangers:
        raise UnexpectedResponse(f"not asked for {sanitize(', '.join(sorted(strangers)))}", source)
