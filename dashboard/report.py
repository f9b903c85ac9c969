"""The report: the market and the collection as one HTML file that needs nothing else, and runs no script."""

from __future__ import annotations

import dataclasses
from importlib import resources
from typing import Final

from common.text import quote
from common.warehouse_errors import ItemUnknown
from dashboard.pages.collection import build_collection_page
from dashboard.pages.item import ItemRequest, build_item_page
from dashboard.pages.market import build_market_page
from dashboard.pages.movers import MoverFilter, build_movers_page
from dashboard.pages.page import Page
from dashboard.pages.portfolio import build_portfolio_page
from dashboard.pages.spreads import SpreadFilter, build_spreads_page
from dashboard.prepared import PreparedMarket
from dashboard.rendering import ENVIRONMENT
from dashboard.tables import Row, Table
from warehouse.paths import WarehousePaths

MOST_ROWS: Final = 20  # of a table
STYLE: Final = (resources.files("dashboard") / "static" / "floorline.css").read_text("utf-8")


def render_report(
    paths: WarehousePaths, *, currency: str | None = None, items: tuple[str, ...] = (), window: str = "24h"
) -> str:
    """Return the report of what a warehouse has published as HTML.

    `currency` is by default the one with the most quotes, and the movers are those of `window`, a key of
    `movers.WINDOWS`. Each of `items`, NAME or NAME @ PHASE, gets a part of its own. Raises ItemUnknown for
    an item that does not exist, and what `PreparedMarket` raises.
    """
    market = PreparedMarket(paths)
    try:
        known = market.currencies
        chosen = currency if currency and currency in known else next(iter(known), "USD")
        pages = [
            build_market_page(market, chosen),
            build_movers_page(market, chosen, MoverFilter(window=window)),
            build_spreads_page(market, chosen, SpreadFilter()),
        ]
        portfolio = build_portfolio_page(market)
        if portfolio.tables[0].rows:
            pages.append(portfolio)
        pages.append(build_collection_page(market))
        for item in items:
            page = build_item_page(market, ItemRequest(item, chosen))
            if page is None:
                raise ItemUnknown(f"no item is called {quote(item)}")
            pages.append(page)
        return ENVIRONMENT.get_template("report.html").render(
            pages=list(map(_shorten, pages)), currency=chosen, newest=market.newest, style=STYLE
        )
    finally:
        market.close()


def _shorten(page: Page) -> Page:
    """Return a page with the first rows of its tables, without links to pages that the file does not have."""
    return dataclasses.replace(page, tables=[_shorten_table(table) for table in page.tables])


def _shorten_table(table: Table) -> Table:
    rows = [
        Row(row.values, {key: link for key, link in row.links.items() if not link.startswith("/")})
        for row in table.rows[:MOST_ROWS]
    ]
    left_out = len(table.rows) - len(rows)
    note = f"{table.note} {left_out:,} more rows are left out.".strip() if left_out else table.note
    return dataclasses.replace(table, rows=rows, note=note)
