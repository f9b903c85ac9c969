"""Rows of CS2Cap's asks or bids, typed: a whole frame at once."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from operator import attrgetter
from typing import Final

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from connectors.cs2cap_rows import ASKS, EXACT, Offers, Row
from connectors.frames import QUOTES, joined
from connectors.naming import NAMING

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
    exact = pc.match_substring_regex(told["lowest_ask_decimal"], EXACT)
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
