"""The typed tables of series: points, candles and sales; and the keys of the providers that they name."""

from collections.abc import Mapping
from typing import Final

import polars as pl

from connectors.frames import MOMENT, MONEY
from connectors.series import Series

_NAMED: Final = {"item_id": pl.String(), "market_hash_name": pl.String(), "phase": pl.String()}

# `lowest_ask` is the API's integer, in minor units; `price` is a hundredth of it.
POINTS = pl.Schema(
    {
        **_NAMED,
        "provider": pl.String(),
        "time": MOMENT,
        "lowest_ask": pl.Int64(),
        "price": MONEY,
        "quantity": pl.Int64(),
    }
)

# Amounts are minor units; `time` is where the bucket starts.
CANDLES = pl.Schema(
    {
        **_NAMED,
        "time": MOMENT,
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

# `price` is minor units; `stickers`, `charms` and `inspect` are JSON as the API told it, keys sorted.
SALES = pl.Schema(
    {
        **_NAMED,
        "provider": pl.String(),
        "time": MOMENT,
        "price": pl.Int64(),
        "float_value": pl.Float64(),
        "paint_seed": pl.Int64(),
        "stickers": pl.String(),
        "charms": pl.String(),
        "inspect": pl.String(),
    }
)

SCHEMAS: Final[Mapping[Series, pl.Schema]] = {"points": POINTS, "candles": CANDLES, "sales": SALES}


def provider_keys(providers: pl.DataFrame) -> dict[str, str]:
    """Map whatever the API may call a provider to its key: the key itself first, then the display name.

    `providers` has the schema `PROVIDERS`.
    """
    keys = providers["provider"].to_list()
    names = dict(zip(providers["name"].to_list(), keys, strict=True))
    return {**names, **dict(zip(keys, keys, strict=True))}
