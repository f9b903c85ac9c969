"""Keep, in doubt, the entries of a catalog that the next one lacks, until several lack them. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple

import polars as pl

from connectors.schemas import FX, ITEMS, PROVIDERS, TIMESTAMP

# A loss is believed once so many catalogs over this time lacked an entry.
BELIEVED_CATALOGS: Final = 3
BELIEVED_AFTER: Final = timedelta(days=2)
# Of items, so small a share comes and goes: it is no reason for an alert.
USUAL_LOSS: Final = 0.01
SCHEMAS: Final[Mapping[str, pl.Schema]] = {"items": ITEMS, "providers": PROVIDERS, "fx": FX}
# An entry is missing unless the new catalog has one with equal values in any of these groups of columns.
_IDENTITIES: Final[Mapping[str, Sequence[Sequence[str]]]] = {
    "items": (("item_id",), ("market_hash_name", "phase")),
    "providers": (("provider",), ("name",)),
    "fx": (("currency",),),
}
_LABELS: Final = {"items": "market_hash_name", "providers": "provider", "fx": "currency"}
# Since when, and by how many catalogs, an entry is missing; null and 0 for an entry of the newest catalog.
DOUBT_SCHEMA: Final = pl.Schema({"missing_since": TIMESTAMP, "missing_in": pl.Int32()})


class MergedCatalog(NamedTuple):
    """A catalog with the entries that are kept in doubt, and the names of these where they are many."""

    rows: pl.DataFrame
    missing: tuple[str, ...]


def without_doubts(name: str, rows: pl.DataFrame) -> pl.DataFrame:
    """Return the entries in the schema of the catalog."""
    return rows.select(SCHEMAS[name].names())


def with_doubts(name: str, rows: pl.DataFrame) -> pl.DataFrame | None:
    """Return stored entries with the columns of `DOUBT_SCHEMA`; None where they are no such catalog."""
    for column, kind in DOUBT_SCHEMA.items():
        if column not in rows.columns:  # an older version stored these entries
            rows = rows.with_columns(pl.lit(0 if column == "missing_in" else None, kind).alias(column))
    return rows if rows.schema == pl.Schema({**SCHEMAS[name], **DOUBT_SCHEMA}) else None


def merge_catalogs(name: str, last: pl.DataFrame | None, new: pl.DataFrame, now: datetime) -> MergedCatalog:
    """Return the `new` catalog and, in doubt, the entries of the `last` one that it lacks.

    `last` and the result have the columns of `DOUBT_SCHEMA`. An entry that several catalogs in a row
    lacked is left out.
    """
    fresh = new.with_columns(missing_since=pl.lit(None, TIMESTAMP), missing_in=pl.lit(0, pl.Int32()))
    if last is None:
        return MergedCatalog(fresh, ())
    kept = last
    for columns in _IDENTITIES[name]:
        kept = kept.join(new.select(columns), on=columns, how="anti", nulls_equal=len(columns) > 1)
    kept = kept.with_columns(pl.col("missing_since").fill_null(now), pl.col("missing_in") + 1)
    believed = (pl.col("missing_in") >= BELIEVED_CATALOGS) & (
        pl.lit(now, TIMESTAMP) - pl.col("missing_since") >= BELIEVED_AFTER
    )
    kept = kept.filter(~believed)
    many = name != "items" or kept.height > USUAL_LOSS * last.height
    return MergedCatalog(pl.concat([fresh, kept]), tuple(kept[_LABELS[name]]) if many else ())


def drop_missing(rows: pl.DataFrame) -> pl.DataFrame:
    """Return the entries without those that are kept in doubt."""
    return rows.filter(pl.col("missing_since").is_null())
