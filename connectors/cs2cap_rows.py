"""A row of CS2Cap's prices: as the contract has it, and typed, a whole frame in one query."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Final

import msgspec
import polars as pl
from msgspec import Meta, Struct

from connectors.frames import KEY, MONEY

# Digits and a point only, within Decimal(20, 8): no sign, comma, exponent or ninth place.
_EXACT: Final = r"^[0-9]{1,12}(\.[0-9]{1,8})?$"

Text = Annotated[str, Meta(min_length=1)]
Id = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
_Count = Annotated[int, Meta(ge=0, le=2**63 - 1)]
_Minor = Annotated[int, Meta(ge=0, le=10**14 - 1)]
Moment = Annotated[datetime, Meta(tz=True)]


class _Common(Struct, gc=False):
    provider: Text
    item_id: Id
    market_hash_name: Text
    lowest_ask: _Minor
    quantity: _Count
    phase: str | None = None
    link: str | None = None
    url: str | None = None


class Row(_Common, gc=False, forbid_unknown_fields=True):
    """A row of `/v1/prices`; whether its decimal and its moments are exact is seen for a whole page."""

    lowest_ask_decimal: str | None = None
    timestamp: str | None = None
    last_updated: str | None = None


class CheckedRow(_Common, gc=False):
    """The same, on its own: checked whole, its unknown fields counted elsewhere."""

    lowest_ask_decimal: Annotated[str, Meta(pattern=_EXACT.replace("$", r"\Z"))] | None = None
    timestamp: Moment | None = None
    last_updated: Moment | None = None


def uniform(row: CheckedRow) -> Row:
    """The row with its moments in the one form that a page's are read in."""
    fields = msgspec.structs.asdict(row)
    for name in ("timestamp", "last_updated"):
        moment = fields[name]
        fields[name] = moment.isoformat() if moment is not None else None
    return Row(**fields)


def quotes_of(rows: Sequence[Row]) -> tuple[pl.DataFrame, list[str]] | None:
    """Put `rows` into a frame of the schema `QUOTES`, with their keys; None if one is not exact.

    That is an amount or a moment that would lose something. Polars types a page in one query, whose price is
    by the call.
    """
    columns = {
        "item_id": [row.item_id for row in rows],
        "market_hash_name": [row.market_hash_name for row in rows],
        "phase": [row.phase for row in rows],
        "provider": [row.provider for row in rows],
        "lowest_ask": [row.lowest_ask for row in rows],
        "decimal": [row.lowest_ask_decimal for row in rows],
        "quantity": [row.quantity for row in rows],
        "timestamp": [row.timestamp for row in rows],
        "last_updated": [row.last_updated for row in rows],
        "url": [row.url for row in rows],
    }
    told = pl.DataFrame(columns, schema=_TOLD, strict=True).lazy()
    *typed, keys, fits = told.select(*_TYPED, KEY.alias("key"), _FITS.alias("fits")).collect().get_columns()
    return (pl.DataFrame(typed), keys.to_list()) if fits.all() else None


def _moment(name: str) -> pl.Expr:
    moment = pl.col(name).str.to_datetime("%Y-%m-%dT%H:%M:%S%.f%#z", time_unit="us", strict=False)
    return moment.dt.convert_time_zone("UTC")


_TOLD: Final = pl.Schema(
    {
        "item_id": pl.Int64(),
        "market_hash_name": pl.String(),
        "phase": pl.String(),
        "provider": pl.String(),
        "lowest_ask": pl.Int64(),
        "decimal": pl.String(),
        "quantity": pl.Int64(),
        "timestamp": pl.String(),
        "last_updated": pl.String(),
        "url": pl.String(),
    }
)
# The API divides minor units by 100 whatever the currency.
_AMOUNT: Final = pl.coalesce(
    "decimal",
    pl.format(
        "{}.{}", pl.col("lowest_ask") // 100, (pl.col("lowest_ask") % 100).cast(pl.String).str.zfill(2)
    ),
)
_TYPED: Final = (
    pl.col("item_id").cast(pl.String),
    pl.col("market_hash_name", "phase", "provider"),
    pl.lit("standard").alias("delivery"),
    pl.col("lowest_ask"),
    _AMOUNT.cast(MONEY, strict=False).alias("price"),
    pl.col("quantity"),
    _moment("timestamp"),
    _moment("last_updated"),
    pl.col("url"),
)
_FITS: Final = (
    _AMOUNT.str.contains(_EXACT)
    & (_moment("timestamp").is_null() == pl.col("timestamp").is_null())
    & (_moment("last_updated").is_null() == pl.col("last_updated").is_null())
)
