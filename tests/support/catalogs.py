"""Catalogs of items as a connector returns them, from a few names."""

from __future__ import annotations

import polars as pl

from connectors.schemas import ITEMS


def catalog_of_rows(*rows: tuple[str | None, str, str | None]) -> pl.DataFrame:
    """Return a catalog (schema `ITEMS`) of these ids, names and phases."""
    names = ["item_id", "market_hash_name", "phase"]
    columns = {name: [row[place] for row in rows] for place, name in enumerate(names)}
    rest: dict[str, list[None]] = {name: [None] * len(rows) for name in ITEMS if name not in names}
    return pl.DataFrame(columns | rest, schema=ITEMS)


def catalog_of_names(*names: str) -> pl.DataFrame:
    """Return a catalog (schema `ITEMS`) of items without phases, with ids from 1."""
    return catalog_of_rows(*((str(number), name, None) for number, name in enumerate(names, 1)))
