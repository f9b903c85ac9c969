"""Frames of what the sandbox served, to compare with what a client made of the responses."""

from collections.abc import Iterable
from typing import Final

import polars as pl

TIME: Final = pl.Datetime("us", "UTC")
ITEM_COLUMNS: Final = {
    "provider": pl.String(),
    "item_id": pl.Int64(),
    "market_hash_name": pl.String(),
    "phase": pl.String(),
}


def build_frame(rows: Iterable[tuple[object, ...]], schema: dict[str, pl.DataType]) -> pl.DataFrame:
    """Return rows as a frame; the rows carry times as microseconds since 1970."""
    raw = {name: pl.Int64() if kind == TIME else kind for name, kind in schema.items()}
    times = [name for name, kind in schema.items() if kind == TIME]
    return pl.DataFrame(list(rows), schema=raw, orient="row").cast(dict.fromkeys(times, TIME))
