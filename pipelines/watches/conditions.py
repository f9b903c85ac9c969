"""The condition of a watch as a query, run in the process of the watches."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import polars as pl

from pipelines.config import WatchSettings
from pipelines.planning.selectors import ALL, resolve_items, resolve_providers
from warehouse.paths import WarehousePaths
from warehouse.queries import run_query
from warehouse.watched_rows import WatchedRows, find_rows

ITEMS: Final = "SELECT DISTINCT item_id, market_hash_name, phase FROM items ORDER BY ALL"
PROVIDERS: Final = (
    "SELECT provider, any_value(name) AS name FROM providers GROUP BY provider ORDER BY provider"
)
NAMES: Final = {"item_id": pl.String, "market_hash_name": pl.String, "phase": pl.String}
MARKETPLACES: Final = {"provider": pl.String, "name": pl.String}
# One row for each item: its lowest fresh ask, where that is out of bounds. Without a phase, all phases count.
PRICES: Final = """
SELECT item, price, currency, provider, quantity, observed_at
FROM (
    SELECT chosen.name, chosen.phase, unnest(min_by(
        struct_pack(item, price, currency, provider, quantity, observed_at),
        struct_pack(price, source, provider, delivery)))
    FROM quotes
    JOIN (SELECT unnest($names::VARCHAR[]) AS name, unnest($phases::VARCHAR[]) AS phase) chosen
        ON market_hash_name = chosen.name AND (chosen.phase IS NULL OR quotes.phase = chosen.phase)
    WHERE fresh AND currency = $currency AND price > 0 AND quantity IS DISTINCT FROM 0
        AND ($providers::VARCHAR[] IS NULL OR list_contains($providers::VARCHAR[], provider))
    GROUP BY chosen.name, chosen.phase
)
WHERE price < $below::DECIMAL(20, 8) OR price > $above::DECIMAL(20, 8)
ORDER BY price, item
"""


def find_matches(path: Path, watch: WatchSettings) -> WatchedRows:
    """Return the rows of the database file at `path` that a watch is about.

    Raises UnknownNames for an item or a marketplace that the record does not have, and as `find_rows` does.
    """
    if watch.query is not None:
        return find_rows(path, watch.query)
    return find_rows(path, PRICES, price_parameters(path, watch))


def item_selector(watch: WatchSettings) -> str:
    """Return what selects the item of a watch, with its phase."""
    return str(watch.item) if watch.phase is None else f"{watch.item} @ {watch.phase}"


def price_parameters(path: Path, watch: WatchSettings) -> Mapping[str, object]:
    """Return the parameters of `PRICES` for the watch of an item. Raises UnknownNames."""
    items = resolve_items([item_selector(watch)], _read(path, ITEMS, NAMES)) or ()
    everywhere = watch.marketplace == (ALL,)
    return {
        "names": [item.market_hash_name for item in items],
        "phases": [item.phase for item in items],
        "providers": None
        if everywhere
        else list(resolve_providers(watch.marketplace, _read(path, PROVIDERS, MARKETPLACES))),
        "currency": watch.currency.upper(),
        "below": watch.below,
        "above": watch.above,
    }


def _read(path: Path, sql: str, schema: Mapping[str, type[pl.String]]) -> pl.DataFrame:
    return pl.DataFrame(run_query(WarehousePaths(path.parent), sql).rows, dict(schema), orient="row")
