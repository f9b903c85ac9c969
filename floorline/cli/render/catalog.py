"""Print items that a search has found, and marketplaces."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import polars as pl

from common.shards import Item
from common.text import pluralize, quote
from floorline.cli.json_output import print_result
from floorline.cli.outputs.catalog import ItemOutput, ItemsOutput, ProviderOutput
from floorline.console import print_error, print_table
from pipelines.planning.item_search import ItemSearch

# The columns of the tables, by the fields of the catalogs.
ITEM_COLUMNS: Final = {"item": "item", "item_id": "id", "rarity_name": "rarity", "collection": "collection"}
PROVIDER_COLUMNS: Final = {
    "provider": "key",
    "name": "name",
    "market_type": "type",
    "default_currency": "currency",
    "sell_fee": "sell fee",
    "has_buy_orders": "buy orders",
    "has_recent_sales": "sales",
    "health": "health",
}

# In JSON, their names say that they are shares.
FEES: Final = {name: f"{name}_share" for name in ("sell_fee", "insta_sell_fee", "trading_spread_fee")}


def print_items(catalogs: Mapping[str, pl.DataFrame], text: str, *, limit: int, as_json: bool) -> int:
    """Print the items of catalogs (schema `ITEMS`, by source) that have the words of `text`, best first.

    At most `limit` items of each source. Returns how many were found.
    """
    searches = {source: ItemSearch.of_catalog(catalog) for source, catalog in catalogs.items()}
    found = {source: search.find(text) for source, search in searches.items()}
    rows = [
        {"source": source, **_describe(item, catalogs[source])}
        for source, items in found.items()
        for item in items[:limit]
    ]
    total = sum(map(len, found.values()))
    if as_json:
        print_result("items search", ItemsOutput(total, tuple(ItemOutput(**row) for row in rows)))
    elif rows:
        _print_rows(rows, ITEM_COLUMNS, noun="item")
    if total > len(rows):
        print_error(f"{pluralize(total, 'item')} found: add words, or show more with --limit {total}")
    if not total:
        near = next(filter(None, (search.correct(text) for search in searches.values())), None)
        question = f"; did you mean {quote(near)}?" if near else ""
        print_error(f"no item has all of these words: {quote(text)}{question}")
    return total


def print_providers(catalogs: Mapping[str, pl.DataFrame], *, as_json: bool) -> None:
    """Print the marketplaces of catalogs (schema `PROVIDERS`, by source)."""
    rows = [
        {"source": source, **row}
        for source, catalog in catalogs.items()
        for row in catalog.sort("provider").to_dicts()
    ]
    if as_json:
        renamed = ({FEES.get(name, name): value for name, value in row.items()} for row in rows)
        print_result("providers", [ProviderOutput(**row) for row in renamed])
    else:
        _print_rows(rows, PROVIDER_COLUMNS, noun="provider")


def _describe(item: Item, catalog: pl.DataFrame) -> dict[str, Any]:
    """Return the label of an item, as a configuration takes it, with its entry in the catalog."""
    entry = catalog.filter(
        (pl.col("market_hash_name") == item.market_hash_name) & pl.col("phase").eq_missing(item.phase)
    )
    blank = dict.fromkeys(catalog.columns) | item._asdict()
    return {
        "item": f"{item.market_hash_name} @ {item.phase}" if item.phase else item.market_hash_name,
        **(entry.row(0, named=True) if entry.height else blank),
    }


def _print_rows(rows: list[dict[str, Any]], columns: Mapping[str, str], *, noun: str) -> None:
    """Print the fields of rows that `columns` names, with the source where there are several sources.

    A column in which nothing is known is left out.
    """
    several = len({row["source"] for row in rows}) > 1
    shown = {**columns, "source": "source"} if several else columns
    known = [name for name in shown if any(row[name] is not None for row in rows)]
    headings = [shown[name] for name in known]
    cells = [[_format(name, row[name]) for name in known] for row in rows]
    print_table(headings, cells, noun=noun, first=headings[:2])


def _format(name: str, value: object) -> object:
    return f"{value:.1%}" if name == "sell_fee" and isinstance(value, float) else value
