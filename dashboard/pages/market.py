"""The page of the market: figures, what moved most, how much changed, and the marketplaces."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

from dashboard.asks_over_time import read_best_asks, to_steps
from dashboard.charts.columns import draw_columns
from dashboard.charts.sparkline import draw_sparkline
from dashboard.charts.steps import clip_steps
from dashboard.formatting import format_count, format_rounded
from dashboard.pages.page import Chart, Figure, Page, item_address
from dashboard.prepared import PreparedMarket
from dashboard.tables import Column, Row, Table

MOVERS: Final = 8
DAYS: Final = timedelta(days=2)  # of sparklines and of the chart of changes
HOUR: Final = timedelta(hours=1)
SELECT_MOVERS: Final = """
SELECT item, was, now, change FROM memory.main.mover_24h
WHERE currency = $currency AND change {operator} 0 ORDER BY change {order}, item LIMIT $limit
"""
SELECT_CHANGES: Final = """
SELECT hour, sum(rows_changed)::BIGINT FROM activity WHERE hour > $since GROUP BY hour ORDER BY hour
"""
MOVER_COLUMNS: Final = (
    Column("item", "Item"),
    Column("was", "24 h ago", "price", secondary=True),
    Column("now", "Now", "price"),
    Column("change", "Change", "change"),
    Column("chart", "2 d", "chart", secondary=True),
)
CHANGE_COLUMNS: Final = (Column("hour", "Hour", "moment"), Column("changes", "Changes", "count"))
MARKETPLACE_COLUMNS: Final = (
    Column("provider", "Marketplace"),
    Column("quotes", "Quotes", "count"),
    Column("listings", "Listings", "count", secondary=True),
    Column("cheapest", "Cheapest at", "count"),
    Column("over_best", "Median over best", "excess"),
    Column("sell_fee", "Sale fee", "share", secondary=True),
    Column("seen", "Seen", "age", secondary=True),
)


def build_market_page(market: PreparedMarket, currency: str) -> Page:
    """Return the page of one currency."""
    figures = market.records("FROM memory.main.figure WHERE currency = $currency", {"currency": currency})
    up = market.records(
        SELECT_MOVERS.format(operator=">", order="DESC"), {"currency": currency, "limit": MOVERS}
    )
    down = market.records(
        SELECT_MOVERS.format(operator="<", order="ASC"), {"currency": currency, "limit": MOVERS}
    )
    charts = _draw_sparklines(market, currency, [row["item"] for row in (*up, *down)])
    return Page(
        template="market.html",
        title="Market",
        figures=_figures(figures[0]) if figures else (),
        tables=(
            _mover_table("up", "Up most in 24 h", up, charts),
            _mover_table("down", "Down most in 24 h", down, charts),
            _marketplaces(market, currency),
        ),
        charts=(_draw_changes(market),),
    )


def _figures(row: dict[str, Any]) -> list[Figure]:
    return [
        Figure("Items listed", format_count(row["items"])),
        Figure("Quotes", format_count(row["quotes"])),
        Figure("Marketplaces", format_count(row["marketplaces"])),
        Figure("Listings", format_count(row["listings"])),
        Figure("Best asks up, 24 h", format_count(row["up"]), trend="up"),
        Figure("Best asks down, 24 h", format_count(row["down"]), trend="down"),
        Figure("One of each", format_rounded(row["one_of_each"]), row["currency"]),
    ]


def _mover_table(name: str, caption: str, rows: list[dict[str, Any]], charts: dict[str, str]) -> Table:
    return Table(
        name,
        caption,
        MOVER_COLUMNS,
        [Row({**row, "chart": charts[row["item"]]}, {"item": item_address(row["item"])}) for row in rows],
        empty="Nothing moved.",
    )


def _draw_sparklines(market: PreparedMarket, currency: str, items: list[str]) -> dict[str, str]:
    if market.newest is None:
        return {}
    since = market.newest - DAYS
    past = to_steps(read_best_asks(market, items, currency, since))
    return {
        item: draw_sparkline(clip_steps(past[item], since, market.newest), since, market.newest)
        for item in items
    }


def _draw_changes(market: PreparedMarket) -> Chart:
    counts: list[tuple[Any, int]] = []
    if market.newest is not None:
        counts = market.rows(SELECT_CHANGES, {"since": market.newest - DAYS})
    return Chart(
        "changes",
        "Changes an hour",
        draw_columns(counts, HOUR, title="Changes an hour"),
        Table(
            "activity", "", CHANGE_COLUMNS, [Row({"hour": hour, "changes": count}) for hour, count in counts]
        ),
        note="New prices, quantities and listings that went, over two days.",
    )


def _marketplaces(market: PreparedMarket, currency: str) -> Table:
    rows = market.records(
        "FROM memory.main.marketplace WHERE currency = $currency ORDER BY cheapest DESC, provider",
        {"currency": currency},
    )
    newest = market.newest
    return Table(
        "marketplaces",
        "Marketplaces",
        MARKETPLACE_COLUMNS,
        [Row({**row, "seen": newest and newest - row["observed_at"]}) for row in rows],
        empty="No marketplace lists anything in this currency.",
    )
