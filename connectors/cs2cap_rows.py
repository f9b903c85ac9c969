"""A row of CS2Cap's asks or bids, as the contract has it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct

# Digits and a point only, within Decimal(20, 8): no sign, comma, exponent or ninth place.
EXACT: Final = r"^[0-9]{1,12}(\.[0-9]{1,8})?$"
MOST_MINOR: Final = 10**14 - 1

Text = Annotated[str, Meta(min_length=1)]
Id = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
_Count = Annotated[int, Meta(ge=0, le=2**63 - 1)]
_Minor = Annotated[int, Meta(ge=0, le=MOST_MINOR)]
_Exact = Annotated[str, Meta(pattern=EXACT.replace("$", r"\Z"))]
Moment = Annotated[datetime, Meta(tz=True)]


class _Common(Struct, gc=False, kw_only=True):
    provider: Text
    item_id: Id
    market_hash_name: Text
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


class CheckedRow(_Common, gc=False, kw_only=True):
    """The same, on its own: checked whole, its unknown fields counted elsewhere."""

    lowest_ask_decimal: _Exact | None = None
    timestamp: Moment | None = None
    last_updated: Moment | None = None


_BIDS: Final = {
    "lowest_ask": "highest_bid",
    "lowest_ask_decimal": "highest_bid_decimal",
    "quantity": "num_bids",
}


class _BidRow(Row, gc=False, kw_only=True, forbid_unknown_fields=True, rename=_BIDS):
    lowest_ask: _Minor
    quantity: _Count
    lowest_ask_decimal: str | None = None


class _CheckedBidRow(CheckedRow, gc=False, kw_only=True, rename=_BIDS):
    lowest_ask: _Minor
    quantity: _Count
    lowest_ask_decimal: _Exact | None = None


@dataclass(frozen=True, slots=True)
class Offers:
    """What a marketplace is asked for: asks or bids; by which routes, and how the API writes a row.

    A bid takes an ask's place in `QUOTES`: the highest bid in `lowest_ask`, how many there are in `quantity`.
    """

    path: str
    delivery: str
    row: type[Row]
    checked: type[CheckedRow]

    @property
    def written(self) -> Mapping[str, str]:
        """The API's names of a row's fields, by ours."""
        return dict(zip(self.row.__struct_fields__, self.row.__struct_encode_fields__, strict=True))


ASKS: Final = Offers("/v1/prices", "standard", Row, CheckedRow)
BIDS: Final = Offers("/v1/bids", "bid", _BidRow, _CheckedBidRow)
OFFERS: Final = {offers.delivery: offers for offers in (ASKS, BIDS)}


def uniform(row: CheckedRow) -> Row:
    """The row with its moments in the one form that a page's are read in."""
    fields = msgspec.structs.asdict(row)
    for name in ("timestamp", "last_updated"):
        moment = fields[name]
        fields[name] = moment.isoformat() if moment is not None else None
    return Row(**fields)
