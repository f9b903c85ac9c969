"""The page of the portfolio: what the user owns is worth, line by line, and in total by currency."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from dashboard.formatting import format_change, format_count, format_rounded, trend
from dashboard.pages.page import Figure, Page, item_address
from dashboard.prepared import PreparedMarket
from dashboard.tables import Column, Row, Table

SELECT_HOLDINGS: Final = "FROM portfolio ORDER BY line"
COLUMNS: Final = (
    Column("item", "Item"),
    Column("quantity", "Copies", "count"),
    Column("currency", "Currency", secondary=True),
    Column("bought_price", "Bought for", "price", secondary=True),
    Column("ask", "Best ask", "price"),
    Column("bid", "Best bid", "price", secondary=True),
    Column("value_net", "After fee", "rounded"),
    Column("net_at", "At", secondary=True),
    Column("profit", "Profit", "rounded"),
    Column("profit_share", "Margin", "change", secondary=True),
    Column("change_1d", "24 h", "change", secondary=True),
    Column("change_7d", "7 d", "change", secondary=True),
    Column("change_30d", "30 d", "change", secondary=True),
    Column("remark", "Remark", secondary=True),
)


def build_portfolio_page(market: PreparedMarket) -> Page:
    """Return the lines of the holdings, and the totals of those that can be valued."""
    rows = market.records(SELECT_HOLDINGS, {})
    currencies = list(dict.fromkeys(row["currency"] for row in rows))
    not_valued = sum(row["status"] != "valued" for row in rows)
    table = Table(
        "portfolio",
        "Holdings",
        COLUMNS,
        [_to_row(row) for row in rows],
        empty="No holdings are known. The key “holdings” in [warehouse] names a file of them.",
        note=f"The totals leave {format_count(not_valued)} lines out." if not_valued else "",
    )
    figures = [
        figure for currency in currencies for figure in _total([r for r in rows if r["currency"] == currency])
    ]
    return Page("portfolio.html", "Portfolio", (table,), figures=figures)


def _to_row(row: Mapping[str, Any]) -> Row:
    remark = "" if row["status"] == "valued" else row["status"]
    links = {} if row["status"] == "unknown item" else {"item": item_address(row["item"])}
    return Row({**row, "remark": remark}, links)


def _total(rows: Sequence[Mapping[str, Any]]) -> list[Figure]:
    """Return the totals of lines in one currency."""
    valued = [row for row in rows if row["status"] == "valued"]
    bought = [row for row in valued if row["profit"] is not None]
    cost = sum(row["cost"] for row in bought)
    profit = sum(row["profit"] for row in bought)
    share = float(profit) / float(cost) if cost else None
    currency = rows[0]["currency"]
    return [
        Figure("Value by best ask", format_rounded(_sum(valued, "value")), currency),
        Figure("Value by best bid", format_rounded(_sum(valued, "value_by_bid")), currency),
        Figure("Value after fee", format_rounded(_sum(valued, "value_net")), currency),
        Figure(
            "Profit",
            format_rounded(profit if bought else None),
            f"{format_change(share)} of what it cost",
            trend=trend(share),
        ),
    ]


def _sum(rows: Sequence[Mapping[str, Any]], name: str) -> Any:  # noqa: ANN401 - a Decimal, or None
    known = [row[name] for row in rows if row[name] is not None]
    return sum(known) if known else None
