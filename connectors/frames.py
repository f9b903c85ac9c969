"""The typed tables that connectors hand on: their schemas, and what becomes of a row that does not fit."""

from dataclasses import dataclass

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from connectors.naming import NAMING, NO_PHASE

MONEY = pl.Decimal(20, 8)
MOMENT = pl.Datetime("us", "UTC")

QUOTES = pl.Schema(
    {
        "item_id": pl.String(),
        "market_hash_name": pl.String(),
        "phase": pl.String(),
        "provider": pl.String(),
        "delivery": pl.String(),
        "lowest_ask": pl.Int64(),
        "price": MONEY,
        "quantity": pl.Int64(),
        "timestamp": MOMENT,
        "last_updated": MOMENT,
        "url": pl.String(),
    }
)

ITEMS = pl.Schema(
    {
        "item_id": pl.String(),
        "market_hash_name": pl.String(),
        "phase": pl.String(),
        "item_type": pl.String(),
        "item_subtype": pl.String(),
        "weapon_type": pl.String(),
        "base_name": pl.String(),
        "skin_name": pl.String(),
        "wear_name": pl.String(),
        "collection": pl.String(),
        "rarity_name": pl.String(),
        "is_stattrak": pl.Boolean(),
        "is_souvenir": pl.Boolean(),
    }
)

PROVIDERS = pl.Schema(
    {
        "provider": pl.String(),
        "name": pl.String(),
        "market_type": pl.String(),
        "default_currency": pl.String(),
        "sell_fee": pl.Float64(),
        "insta_sell_fee": pl.Float64(),
        "trading_spread_fee": pl.Float64(),
        "has_buy_orders": pl.Boolean(),
        "has_recent_sales": pl.Boolean(),
        "health": pl.String(),
    }
)

# Rates reach from a hundred thousand to the billionth of a dollar; beyond 18 places they are rounded.
FX = pl.Schema({"currency": pl.String(), "rate": pl.Decimal(38, 18), "moment": MOMENT})


@dataclass(frozen=True, slots=True)
class Reject:
    """A row that does not fit: why, and its exact text as it came."""

    reason: str
    raw: str


def keys_of(rows: pl.DataFrame) -> list[str]:
    """List what makes `rows` (schema `QUOTES`) the quotes they are: item id, phase and provider.

    As text, because a hundred thousand tuples keep the garbage collector busy; and by Arrow, which takes a
    third of the time that Polars does for a page.
    """
    named = (rows[name].to_arrow(compat_level=pl.CompatLevel.oldest()) for name in NAMING)
    return joined(*named)


def joined(item_id: pa.Array, phase: pa.Array, provider: pa.Array) -> list[str]:
    """List the keys that these columns make; see `keys_of`."""
    known = pc.fill_null(phase, pa.scalar(NO_PHASE, phase.type))
    return pc.binary_join_element_wise(item_id, known, provider, pa.scalar("\t", phase.type)).to_pylist()  # type: ignore[no-any-return]


def providers_of(rows: pl.DataFrame) -> frozenset[str]:
    """Name the providers that `rows` (schema `QUOTES`) are from."""
    return frozenset(pc.unique(rows["provider"].to_arrow(compat_level=pl.CompatLevel.oldest())).to_pylist())


def latest(rows: pl.DataFrame) -> pl.DataFrame:
    """Keep one of `rows` (schema `QUOTES`) of each key: latest `timestamp`, then latest `last_updated`."""
    order = ["timestamp", "last_updated"]
    newest_first = rows.with_row_index("place").sort(
        order, descending=True, nulls_last=True, maintain_order=True
    )
    kept = newest_first.unique(NAMING, keep="first", maintain_order=True)
    return kept.sort("place").drop("place")
