"""The page of the portfolio shows the view, its totals by currency, and what cannot be valued."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from dashboard.formatting import format_rounded
from dashboard.pages.portfolio import build_portfolio_page
from dashboard.prepared import PreparedMarket
from dashboard.report import render_report
from tests.support.reference.market import HOLDINGS, publish_example
from tests.support.warehouse import create_warehouse, land_and_load, minute, observe, query_rows
from warehouse.paths import WarehousePaths

TOTALS = """
SELECT currency, sum(value), sum(value_by_bid), sum(value_net), sum(profit)
FROM portfolio WHERE status = 'valued' GROUP BY currency
"""


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> WarehousePaths:
    return publish_example(tmp_path_factory.mktemp("portfolio"))


def test_page_has_each_line_and_the_totals_of_each_currency(paths: WarehousePaths) -> None:
    market = PreparedMarket(paths)
    try:
        page = build_portfolio_page(market)
    finally:
        market.close()
    (table,) = page.tables
    assert [row.values["line"] for row in table.rows] == [holding.line for holding in HOLDINGS]
    assert [row.values["remark"] for row in table.rows] == ["", "unknown item", ""]
    assert ["item" in row.links for row in table.rows] == [True, False, True]
    assert "leave 1 line" in table.note
    shown = [(figure.label, figure.value) for figure in page.figures]
    labels = ("Value by best ask", "Value by best bid", "Value after fee", "Profit")
    for _, *totals in query_rows(paths, TOTALS):
        for label, total in zip(labels, totals, strict=True):
            assert (label, format_rounded(Decimal(total))) in shown
    assert len(shown) == 4 * len({holding.currency for holding in HOLDINGS})


def test_report_has_the_portfolio_only_where_there_are_holdings(
    paths: WarehousePaths, tmp_path: Path
) -> None:
    assert '<h2 class="part" id="page-4">Portfolio</h2>' in render_report(paths)
    empty = create_warehouse(tmp_path)
    land_and_load(empty, "run", observe(minute(0)))
    assert "Portfolio" not in render_report(empty)
