"""The typed tables that connectors hand on: their schemas, and what becomes of a row that does not fit."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

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


# What makes a row (schema `QUOTES`) the quote it is: item id, phase and provider, as text, because a hundred
# thousand tuples keep the garbage collector busy.
KEY = pl.concat_str("item_id", pl.col("phase").fill_null("\0"), "provider", separator="\t")


def keys_of(rows: pl.DataFrame) -> list[str]:
    """List the keys of `rows` (schema `QUOTES`)."""
    return rows.select(key=KEY).get_column("key").to_list()


def fingerprint_of(keys: Sequence[str]) -> str:
    """Digest `keys` in their order; prices are left out, so that a moving market has stable pages."""
    return hashlib.blake2b("\n".join(keys).encode(), digest_size=8).hexdigest()


def latest(rows: pl.DataFrame) -> pl.DataFrame:
    """Keep one of `rows` (schema `QUOTES`) of each key: latest `timestamp`, then latest `last_updated`."""
    order = ["timestamp", "last_updated"]
    newest_first = rows.with_row_index("place").sort(
        order, descending=True, nulls_last=True, maintain_order=True
    )
    kept = newest_first.unique(["item_id", "phase", "provider"], keep="first", maintain_order=True)
    return kept.sort("place").drop("place")
