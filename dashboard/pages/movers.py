"""The page of movers: the best asks that changed most within a window."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from dashboard.pages.page import Page, item_address
from dashboard.prepared import PreparedMarket
from dashboard.tables import Column, Row, Table

MOST_ROWS: Final = 100
# The windows of the address, which the working tables have in their names, and what people call them.
WINDOWS: Final[Mapping[str, str]] = {"1h": "1 hour", "24h": "24 hours", "7d": "7 days", "30d": "30 days"}
DIRECTIONS: Final[Mapping[str, str]] = {"": "abs(change)", "up": "change", "down": "-change"}
SELECT_MOVERS: Final = """
SELECT item, was, now, change, now_at, markets, listed FROM memory.main.mover_{window}
WHERE currency = $currency AND greatest(was, now) >= $least AND markets >= $markets AND {by} > 0
ORDER BY {by} DESC, item LIMIT $limit
"""
COLUMNS: Final = (
    Column("item", "Item"),
    Column("was", "Was", "price", secondary=True),
    Column("now", "Now", "price"),
    Column("change", "Change", "change"),
    Column("now_at", "At", secondary=True),
    Column("markets", "Marketplaces", "count", secondary=True),
    Column("listed", "Listed", "count", secondary=True),
)


@dataclass(frozen=True, slots=True)
class MoverFilter:
    """What an address asks for. `least` is the lowest price, `direction` "up", "down" or "" for both."""

    window: str = "24h"
    direction: str = ""
    least: Decimal = Decimal(1)
    markets: int = 1


def build_movers_page(market: PreparedMarket, currency: str, chosen: MoverFilter) -> Page:
    """Return the items whose best ask changed most, the largest change first."""
    values = {"currency": currency, "least": chosen.least, "markets": chosen.markets, "limit": MOST_ROWS}
    sql = SELECT_MOVERS.format(window=chosen.window, by=DIRECTIONS[chosen.direction])
    rows = market.records(sql, values)
    table = Table(
        "movers",
        f"Best asks that moved most, {WINDOWS[chosen.window]}",
        COLUMNS,
        [Row(row, {"item": item_address(row["item"])}) for row in rows],
        empty="Nothing moved.",
        note=f"The first {MOST_ROWS} items are shown." if len(rows) == MOST_ROWS else "",
    )
    return Page("movers.html", "Movers", (table,), context={"chosen": chosen, "windows": list(WINDOWS)})
