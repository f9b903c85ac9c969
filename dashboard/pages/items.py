"""The page of items: those that have the words of a search, with their best asks."""

from __future__ import annotations

from typing import Final

from dashboard.formatting import format_count
from dashboard.pages.page import Page, item_address
from dashboard.prepared import PreparedMarket
from dashboard.tables import Column, Row, Table

MOST_ITEMS: Final = 100
# From the names, which are few: a filter on the best asks would join all of the tables first.
SELECT_ASKS: Final = """
WITH wanted AS (SELECT unnest($items) AS item)
SELECT b.item, b.price, b.provider, l.markets, l.listed, m.change
FROM wanted w
JOIN memory.main.best b ON b.item = w.item
JOIN memory.main.listed l ON l.item = w.item AND l.currency = b.currency
LEFT JOIN memory.main.mover_24h m ON m.item = w.item AND m.currency = b.currency
WHERE b.currency = $currency
"""
SELECT_DEAREST: Final = """
SELECT item FROM memory.main.best WHERE currency = $currency ORDER BY price DESC, item LIMIT $limit
"""
COLUMNS: Final = (
    Column("item", "Item"),
    Column("price", "Best ask", "price"),
    Column("change", "24 h", "change"),
    Column("provider", "At", secondary=True),
    Column("markets", "Marketplaces", "count", secondary=True),
    Column("listed", "Listed", "count", secondary=True),
)


def build_items_page(market: PreparedMarket, currency: str, words: str) -> Page:
    """Return the items that have these words, the best matches first; without words, the dearest items.

    Where no item has all words, the nearest words of names take their place, and the page says so.
    """
    note = ""
    if words.strip():
        found = market.search.find(words)
        if not found and (corrected := market.search.correct(words)):
            note = f"No item has all of these words. These items have “{corrected}”."
            found = market.search.find(corrected)
        names = list(dict.fromkeys(item.full_name for item in found))
    else:
        note = "The dearest items. Search by words and abbreviations, as in “ak redline ft”."
        rows = market.rows(SELECT_DEAREST, {"currency": currency, "limit": MOST_ITEMS})
        names = [name for (name,) in rows]
    if len(names) > MOST_ITEMS:
        note = f"{format_count(len(names))} items; the first {MOST_ITEMS} are shown. {note}"
    return Page(
        template="items.html",
        title="Items",
        tables=(_table(market, currency, names[:MOST_ITEMS], note),),
        context={"words": words},
    )


def _table(market: PreparedMarket, currency: str, names: list[str], note: str) -> Table:
    asks = {row["item"]: row for row in market.records(SELECT_ASKS, {"currency": currency, "items": names})}
    rows = [Row({"item": name, **asks.get(name, {})}, {"item": item_address(name)}) for name in names]
    return Table("items", "Items", COLUMNS, rows, empty="No item has these words.", note=note)
