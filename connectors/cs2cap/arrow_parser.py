"""The text of many rows, typed by Arrow all at once: for a page, half of the time that objects would take."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from decimal import Decimal
from operator import attrgetter
from typing import Final

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json as pj

from connectors.cs2cap.contract import ASKS, DECIMAL_PATTERN, MAX_MINOR_UNITS, BookSide, Row
from connectors.pages import QUOTE_KEY_COLUMNS
from connectors.schemas import QUOTES, join_keys

_TEXT: Final = pa.large_string()
_MONEY: Final = pa.decimal128(20, 8)
_MOMENT: Final = pa.timestamp("us", "UTC")
_HUNDREDTH: Final = pa.scalar(Decimal("0.01"), pa.decimal128(3, 2))
WIRE_COLUMNS: Final = {
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


def to_quotes_frame(rows: Sequence[Row], offers: BookSide = ASKS) -> tuple[pl.DataFrame, list[str]] | None:
    """Put `rows` into a frame of the schema `QUOTES`, with their keys; None if one is not exact.

    That is an amount or a moment that would lose something. Arrow types them: for the few rows of a page it
    takes half of the time that Polars does, and what it cannot hold it refuses.
    """
    told = {
        name: pa.array(map(attrgetter(name), rows), kind, size=len(rows))
        for name, kind in WIRE_COLUMNS.items()
    }
    typed = cast_columns(told, offers)
    return (
        None if typed is None else (to_frame(typed), join_keys(*(typed[name] for name in QUOTE_KEY_COLUMNS)))
    )


def cast_columns(told: Mapping[str, pa.Array], offers: BookSide) -> dict[str, pa.Array] | None:
    """Type the columns `TOLD` as those of `QUOTES`; None if a value is not exact."""
    exact = pc.match_substring_regex(told["lowest_ask_decimal"], DECIMAL_PATTERN)
    if not pc.all(exact, min_count=0).as_py():
        return None
    try:
        typed = {**told, **{name: told[name].cast(kind) for name, kind in _TYPED.items()}}
    except pa.ArrowInvalid:
        return None
    typed["price"] = _price(told["lowest_ask"], typed["lowest_ask_decimal"])
    typed["delivery"] = pa.repeat(pa.scalar(offers.delivery, _TEXT), len(told["provider"]))
    return typed


def to_frame(typed: Mapping[str, pa.Array]) -> pl.DataFrame:
    """Put typed columns into a frame of the schema `QUOTES`."""
    return pl.DataFrame({name: typed[name] for name in QUOTES})


def _price(minor: pa.Array, told: pa.Array) -> pa.Array:
    """Complete what the API `told` as a decimal: it divides minor units by 100 whatever the currency."""
    if not told.null_count:
        return told
    return pc.coalesce(told, pc.multiply(minor.cast(pa.decimal128(19, 0)), _HUNDREDTH).cast(_MONEY))


_NEEDED: Final = ("item_id", "market_hash_name", "provider", "lowest_ask", "quantity")
# A thread more would take its time from the one that fetches.
_READ: Final = pj.ReadOptions(use_threads=False, block_size=1 << 20)


def parse_ndjson_columns(lines: bytes, offers: BookSide) -> dict[str, pa.Array] | None:
    """Type one row a line as the columns of `QUOTES`.

    None if there is anything among them that the contract does not have, a field nobody knows included: such
    rows are to be looked at one by one.
    """
    # a line that is null ends the process: Arrow's reader (26.0) reads what is not there
    if not lines.startswith(b"{") or lines.count(b"\n{") < lines.count(b"\n", 0, len(lines) - 1):
        return None
    with suppress(pa.ArrowInvalid):
        return _read_json(lines, offers)
    return None


def _read_json(lines: bytes, offers: BookSide) -> dict[str, pa.Array] | None:
    written = offers.wire_names
    schema = pa.schema({there: WIRE_COLUMNS.get(here, _TEXT) for here, there in written.items()})
    exactly = pj.ParseOptions(explicit_schema=schema, unexpected_field_behavior="error")
    table = pj.read_json(pa.BufferReader(lines), read_options=_READ, parse_options=exactly).combine_chunks()
    table.validate(full=True)  # of bytes that are no UTF-8, the reader says nothing
    told = {name: table[written[name]].combine_chunks() for name in WIRE_COLUMNS}
    return cast_columns(told, offers) if len(table) and _is_valid(told) else None


def _is_valid(told: Mapping[str, pa.Array]) -> bool:
    """See that nothing is missing or out of bounds."""
    if any(told[name].null_count for name in _NEEDED):
        return False
    if any(pc.any(pc.equal(told[name], "")).as_py() for name in ("market_hash_name", "provider")):
        return False
    least = (pc.min(told[name]).as_py() for name in ("lowest_ask", "quantity"))
    return all(number >= 0 for number in least) and pc.max(told["lowest_ask"]).as_py() <= MAX_MINOR_UNITS
