"""The condition of a watch as a query, run in the process of the watches."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping, Sequence
from typing import Final

import polars as pl

from common.shards import Item
from pipelines.config import WatchSettings
from pipelines.planning.selectors import ALL, UnknownNames, resolve_items, resolve_providers
from warehouse.paths import WarehousePaths
from warehouse.queries.runner import run_query
from warehouse.queries.watched_rows import WatchedRows, find_rows

ITEMS: Final = "SELECT DISTINCT item_id, market_hash_name, phase FROM items ORDER BY ALL"
NAMED: Final = ITEMS.replace("ORDER", "WHERE list_contains($names, market_hash_name) ORDER")
PROVIDERS: Final = (
    "SELECT provider, any_value(name) AS name FROM providers GROUP BY provider ORDER BY provider"
)
NAMES: Final = {"item_id": pl.String, "market_hash_name": pl.String, "phase": pl.String}
MARKETPLACES: Final = {"provider": pl.String, "name": pl.String}
FEW: Final = 20  # names that the SQL lists, so that DuckDB reads no other quotes
# One row for each item: its lowest fresh ask, where that is out of bounds. Without a phase, all phases count.
# The items are JSON, because DuckDB takes seconds for a long list of Python.
PRICES: Final = """
SELECT item, price, currency, provider, quantity, observed_at
FROM (
    SELECT chosen.name, chosen.phase, unnest(min_by(
        struct_pack(item, price, currency, provider, quantity, observed_at),
        struct_pack(price, source, provider, delivery)))
    FROM quotes
    JOIN (
        SELECT unnest(from_json($items, '[{"name": "VARCHAR", "phase": "VARCHAR"}]'), recursive := true)
    ) chosen
        ON market_hash_name = chosen.name AND (chosen.phase IS NULL OR quotes.phase = chosen.phase)
    WHERE fresh AND currency = $currency AND price > 0 AND quantity IS DISTINCT FROM 0
        AND /* of few items: */ true
        AND ($providers::VARCHAR[] IS NULL OR list_contains($providers::VARCHAR[], provider))
    GROUP BY chosen.name, chosen.phase
)
WHERE price < $below::DECIMAL(20, 8) OR price > $above::DECIMAL(20, 8)
ORDER BY price, item
"""


def find_matches(paths: WarehousePaths, watch: WatchSettings) -> WatchedRows:
    """Return the rows of a published database that a watch is about.

    Raises UnknownNames for an item or a marketplace that the record does not have, and as `find_rows` does.
    """
    if watch.query is not None:
        return find_rows(paths.published_database, watch.query)
    items = _find_items(paths, watch)
    if not items:
        return WatchedRows((), (), ())
    names = {f"name{number}": name for number, name in enumerate({item.market_hash_name for item in items})}
    if len(names) > FEW:
        return find_rows(paths.published_database, PRICES, _price_parameters(paths, watch, items))
    listed = f"market_hash_name IN ({', '.join(f'${name}' for name in names)})"
    sql = PRICES.replace("/* of few items: */ true", listed)
    return find_rows(paths.published_database, sql, {**_price_parameters(paths, watch, items), **names})


def item_selector(watch: WatchSettings) -> str:
    """Return what selects the item of a watch, with its phase."""
    return str(watch.item) if watch.phase is None else f"{watch.item} @ {watch.phase}"


def _find_items(paths: WarehousePaths, watch: WatchSettings) -> Sequence[Item]:
    """Return the items of the record that a watch selects; none of an empty record. Raises UnknownNames."""
    selector = item_selector(watch)
    names = [selector, selector.rpartition(" @ ")[0]]
    with contextlib.suppress(UnknownNames):  # most watches have the exact name
        return resolve_items([selector], _read(paths, NAMED, NAMES, {"names": names})) or ()
    record = _read(paths, ITEMS, NAMES)
    return () if record.is_empty() else resolve_items([selector], record) or ()


def _price_parameters(
    paths: WarehousePaths, watch: WatchSettings, items: Sequence[Item]
) -> dict[str, object]:
    """Return the parameters of `PRICES`. Raises UnknownNames for a marketplace that the record lacks."""
    everywhere = watch.marketplace == (ALL,)
    return {
        "items": json.dumps([{"name": item.market_hash_name, "phase": item.phase} for item in items]),
        "providers": None
        if everywhere
        else list(resolve_providers(watch.marketplace, _read(paths, PROVIDERS, MARKETPLACES))),
        "currency": watch.currency.upper(),
        "below": watch.below,
        "above": watch.above,
    }


def _read(
    paths: WarehousePaths,
    sql: str,
    schema: Mapping[str, type[pl.String]],
    parameters: dict[str, object] | None = None,
) -> pl.DataFrame:
    rows = run_query(paths, sql, parameters or ()).rows
    return pl.DataFrame(rows, dict(schema), orient="row")
