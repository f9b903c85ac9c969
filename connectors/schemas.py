"""The schemas of the tables that connectors return, and the keys of quotes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

import polars as pl

from connectors.pages import NO_PHASE, QUOTE_KEY_COLUMNS

if TYPE_CHECKING:
    import pyarrow as pa

    from connectors.series import Series

MONEY = pl.Decimal(20, 8)
TIMESTAMP = pl.Datetime("us", "UTC")
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
        "timestamp": TIMESTAMP,
        "last_updated": TIMESTAMP,
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
# Fees of a source's own account, as fractions: what buying costs beyond an ask, and selling to a bid takes.
FEES = pl.Schema({"provider": pl.String(), "buy_fee": pl.Float64(), "insta_sell_fee": pl.Float64()})
# Rates range from a hundred thousand to a billionth of a dollar; beyond 18 decimal places they are rounded.
FX = pl.Schema({"currency": pl.String(), "rate": pl.Decimal(38, 18), "moment": TIMESTAMP})

# Figures of each item over all marketplaces; `observed_at` is when the API computed them.
MARKET_STATS = pl.Schema(
    {
        "item_id": pl.String(),
        "market_hash_name": pl.String(),
        "phase": pl.String(),
        "observed_at": TIMESTAMP,
        "provider_count": pl.Int64(),
        "sales_1d": pl.Int64(),
        "sales_7d": pl.Int64(),
        "sales_30d": pl.Int64(),
        "steam_sales_7d": pl.Int64(),
        "steam_sales_30d": pl.Int64(),
        "supply": pl.Int64(),
        "liquidity": pl.Int64(),
        "rank": pl.Int64(),
    }
)

# The offers of single copies that walks saw, and the walks; see `connectors.listings`.
LISTINGS = pl.Schema(
    {
        "item_id": pl.String(),
        "market_hash_name": pl.String(),
        "first_seen": TIMESTAMP,
        "last_seen": TIMESTAMP,
        "listing_id": pl.String(),
        "price": MONEY,
        "name": pl.String(),
        "phase": pl.String(),
        "paint_index": pl.Int64(),
        "wear": pl.String(),
        "paint_seed": pl.Int64(),
        "fade": pl.Float64(),
        "hardened": pl.String(),
        "stickers": pl.String(),
        "charm": pl.String(),
        "delivery": pl.String(),
    }
)
LISTING_WALKS = pl.Schema(
    {
        "item_id": pl.String(),
        "market_hash_name": pl.String(),
        "started_at": TIMESTAMP,
        "ended_at": TIMESTAMP,
        "end": pl.String(),
        "total": pl.Int64(),
        "offers": pl.Int64(),
        "reach": MONEY,
    }
)


def quote_keys(rows: pl.DataFrame) -> list[str]:
    """Return the keys of `rows` (schema `QUOTES`), each made of item id, phase and provider.

    The keys are strings, because a hundred thousand tuples would burden the garbage collector. Arrow joins
    them in a third of the time that Polars takes for a page.
    """
    item_id, phase, provider = (
        rows[name].to_arrow(compat_level=pl.CompatLevel.oldest()) for name in QUOTE_KEY_COLUMNS
    )
    return join_keys(item_id, phase, provider)


def join_keys(item_id: pa.Array, phase: pa.Array, provider: pa.Array) -> list[str]:
    """Return the keys of these columns; see `quote_keys`."""
    import pyarrow as pa
    import pyarrow.compute as pc  # takes long to import, and few rows need none of it

    phase = pc.fill_null(phase, pa.scalar(NO_PHASE, phase.type))
    return pc.binary_join_element_wise(item_id, phase, provider, pa.scalar("\t", phase.type)).to_pylist()  # type: ignore[no-any-return]


def providers_in(rows: pl.DataFrame) -> frozenset[str]:
    """Return the providers of `rows` (schema `QUOTES`)."""
    return frozenset(rows["provider"].unique())


def keep_latest(rows: pl.DataFrame) -> pl.DataFrame:
    """Return one of `rows` (schema `QUOTES`) per key: latest `timestamp`, then latest `last_updated`."""
    newest_first = rows.with_row_index("position").sort(
        ["timestamp", "last_updated"], descending=True, nulls_last=True, maintain_order=True
    )
    latest = newest_first.unique(QUOTE_KEY_COLUMNS, keep="first", maintain_order=True)
    return latest.sort("position").drop("position")


_ITEM_COLUMNS: Final = {"item_id": pl.String(), "market_hash_name": pl.String(), "phase": pl.String()}
# `lowest_ask` is the API's integer, in minor units; `price` is a hundredth of it.
POINTS = pl.Schema(
    {
        **_ITEM_COLUMNS,
        "provider": pl.String(),
        "time": TIMESTAMP,
        "lowest_ask": pl.Int64(),
        "price": MONEY,
        "quantity": pl.Int64(),
    }
)
# Amounts are in minor units; `time` is the start of the candle.
CANDLES = pl.Schema(
    {
        **_ITEM_COLUMNS,
        "time": TIMESTAMP,
        "interval": pl.String(),
        "open": pl.Int64(),
        "high": pl.Int64(),
        "low": pl.Int64(),
        "close": pl.Int64(),
        "volume": pl.Int64(),
        "quantity": pl.Int64(),
        "open_provider": pl.String(),
        "high_provider": pl.String(),
        "low_provider": pl.String(),
        "close_provider": pl.String(),
    }
)
# `price` is in minor units; `stickers`, `charms` and `inspect` are the API's JSON with sorted keys.
SALES = pl.Schema(
    {
        **_ITEM_COLUMNS,
        "provider": pl.String(),
        "time": TIMESTAMP,
        "price": pl.Int64(),
        "float_value": pl.Float64(),
        "paint_seed": pl.Int64(),
        "stickers": pl.String(),
        "charms": pl.String(),
        "inspect": pl.String(),
    }
)
# `amount` is in minor units; `time` is the midnight that begins the day.
DAILY = pl.Schema(
    {
        **_ITEM_COLUMNS,
        "provider": pl.String(),
        "time": TIMESTAMP,
        "amount": pl.Int64(),
        "quantity": pl.Int64(),
    }
)
SCHEMAS: Final[Mapping[Series, pl.Schema]] = {
    "points": POINTS,
    "candles": CANDLES,
    "sales": SALES,
    "daily": DAILY,
}


def provider_keys_by_name(providers: pl.DataFrame) -> dict[str, str]:
    """Map the names of each provider in the API's responses to its key; a key precedes a display name.

    `providers` has the schema `PROVIDERS`.
    """
    keys = providers["provider"].to_list()
    names = dict(zip(providers["name"].to_list(), keys, strict=True))
    return {**names, **dict(zip(keys, keys, strict=True))}
