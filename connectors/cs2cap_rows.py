"""A row of CS2Cap's asks or bids: as the contract has it, and typed, a whole frame in one query."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from operator import attrgetter
from typing import Annotated, Final

import msgspec
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
from msgspec import Meta, Struct

from connectors.frames import NAMING, QUOTES, joined

# Digits and a point only, within Decimal(20, 8): no sign, comma, exponent or ninth place.
_EXACT: Final = r"^[0-9]{1,12}(\.[0-9]{1,8})?$"
MOST_MINOR: Final = 10**14 - 1

Text = Annotated[str, Meta(min_length=1)]
Id = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
_Count = Annotated[int, Meta(ge=0, le=2**63 - 1)]
_Minor = Annotated[int, Meta(ge=0, le=MOST_MINOR)]
_Exact = Annotated[str, Meta(pattern=_EXACT.replace("$", r"\Z"))]
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


def quotes_of(rows: Sequence[Row], offers: Offers = ASKS) -> tuple[pl.DataFrame, list[str]] | None:
    """Put `rows` into a frame of the schema `QUOTES`, with their keys; None if one is not exact.

    That is an amount or a moment that would lose something. Arrow types them: for the few rows of a page it
    takes half of the time that Polars does, and what it cannot hold it refuses.
    """
    told = {name: pa.array(map(attrgetter(name), rows), kind, size=len(rows)) for name, kind in TOLD.items()}
    typed = typed_of(told, offers)
    return None if typed is None else (frame_of(typed), joined(*(typed[name] for name in NAMING)))


def typed_of(told: Mapping[str, pa.Array], offers: Offers) -> dict[str, pa.Array] | None:
    """Type the columns `TOLD` as those of `QUOTES`; None if a value is not exact."""
    exact = pc.match_substring_regex(told["lowest_ask_decimal"], _EXACT)
    if not pc.all(exact, min_count=0).as_py():
        return None
    try:
        typed = {**told, **{name: told[name].cast(kind) for name, kind in _TYPED.items()}}
    except pa.ArrowInvalid:
        return None
    typed["price"] = _price(told["lowest_ask"], typed["lowest_ask_decimal"])
    typed["delivery"] = pa.repeat(pa.scalar(offers.delivery, _TEXT), len(told["provider"]))
    return typed


def frame_of(typed: Mapping[str, pa.Array]) -> pl.DataFrame:
    """Put typed columns into a frame of the schema `QUOTES`."""
    return pl.DataFrame({name: typed[name] for name in QUOTES})


def _price(minor: pa.Array, told: pa.Array) -> pa.Array:
    """Complete what the API `told` as a decimal: it divides minor units by 100 whatever the currency."""
    if not told.null_count:
        return told
    return pc.coalesce(told, pc.multiply(minor.cast(pa.decimal128(19, 0)), _HUNDREDTH).cast(_MONEY))


_TEXT: Final = pa.large_string()
_MONEY: Final = pa.decimal128(20, 8)
_MOMENT: Final = pa.timestamp("us", "UTC")
_HUNDREDTH: Final = pa.scalar(Decimal("0.01"), pa.decimal128(3, 2))
TOLD: Final = {
    "item_id": pa.int64(),
    "market_hash_name": _TEXT,
    "phase": _TEXT,
    "provider": _TEXT,
    "lowest_ask": pa.int64(),
    "lowest_ask_decimal": pa.string(),
    "quantity": pa.int64(),
    "timestamp": pa.string(),
    "last_updated": pa.string(),
    "url": _TEXT,
}
_TYPED: Final = {
    "item_id": _TEXT,
    "lowest_ask_decimal": _MONEY,
    "timestamp": _MOMENT,
    "last_updated": _MOMENT,
}
