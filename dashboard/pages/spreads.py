"""The page of spreads: for each item the pair of marketplaces with the highest profit after fees."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from dashboard.pages.page import Page, item_address
from dashboard.prepared import PreparedMarket
from dashboard.tables import Column, Row, Table

MOST_ROWS: Final = 100
SORTS: Final = ("margin", "profit")
SELECT_SPREADS: Final = """
SELECT item, bought_at, bought_price, bought_quantity, sold_at, sold_by, sold_price, sold_fee, proceeds,
    profit, margin, outliers, observed_at
FROM {source}
WHERE currency = $currency AND bought_price BETWEEN $least AND $most
    AND margin >= $margin AND profit >= $profit
    AND coalesce(bought_quantity, 1) >= $quantity AND ($sold_by = '' OR sold_by = $sold_by)
ORDER BY {sort} DESC, item LIMIT $limit
"""
COLUMNS: Final = (
    Column("item", "Item"),
    Column("bought_at", "Buy at"),
    Column("bought_price", "For", "price", secondary=True),
    Column("bought_quantity", "Listed", "count", secondary=True),
    Column("sold_at", "Sell at"),
    Column("sold_by", "By", secondary=True),
    Column("sold_price", "For", "price", secondary=True),
    Column("sold_fee", "Fee", "share", secondary=True),
    Column("proceeds", "After fee", "rounded", secondary=True),
    Column("profit", "Profit", "rounded", secondary=True),
    Column("margin", "Margin", "excess"),
    Column("outliers", "Far off", "count", secondary=True),
    Column("seen", "Seen", "age", secondary=True),
)


@dataclass(frozen=True, slots=True)
class SpreadFilter:
    """What an address asks for; an empty marketplace stands for all of them."""

    least: Decimal = Decimal(1)
    most: Decimal = Decimal(10**9)
    margin: float = 0.0
    profit: Decimal = Decimal(0)
    quantity: int = 1
    bought_at: str = ""
    sold_at: str = ""
    sold_by: str = ""
    sort: str = "margin"


def build_spreads_page(market: PreparedMarket, currency: str, chosen: SpreadFilter) -> Page:
    """Return the best spread of each item, the highest margin or profit first.

    Listings that are far off the other ones do not count: `best_spreads` says which.
    """
    providers = market.rows(
        "SELECT provider FROM memory.main.marketplace WHERE currency = $currency ORDER BY provider",
        {"currency": currency},
    )
    context = {
        "unlimited": SpreadFilter().most,
        "chosen": chosen,
        "providers": [name for (name,) in providers],
        "sorts": SORTS,
    }
    return Page("spreads.html", "Spreads", (_spread_table(market, currency, chosen),), context=context)


def _spread_table(market: PreparedMarket, currency: str, chosen: SpreadFilter) -> Table:
    values: dict[str, object] = {
        "currency": currency,
        "least": chosen.least,
        "most": chosen.most,
        "margin": chosen.margin,
        "profit": chosen.profit,
        "quantity": chosen.quantity,
        "sold_by": chosen.sold_by,
        "limit": MOST_ROWS,
    }
    source = "memory.main.spread"
    if chosen.bought_at or chosen.sold_at:
        source = "best_spreads_at($buy, $sell)"
        values |= {"buy": chosen.bought_at or None, "sell": chosen.sold_at or None}
    rows = market.records(SELECT_SPREADS.format(source=source, sort=chosen.sort), values)
    newest = market.newest
    return Table(
        "spreads",
        "Best spreads after fees",
        COLUMNS,
        [
            Row(
                {**row, "seen": newest and newest - row["observed_at"]},
                {"item": item_address(row["item"])},
            )
            for row in rows
        ],
        empty="No pair of marketplaces is profitable, or no marketplace has a known fee.",
        note="“Far off” counts listings that are left out: three times the median of the others, or a third.",
    )
