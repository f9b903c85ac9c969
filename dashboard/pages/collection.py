"""The page of the collection: baskets and their runs, alerts, watches, quotas, gaps and freshness."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final
from urllib.parse import quote

from dashboard.charts.cells import draw_cells
from dashboard.pages.alerts import alert_table, watch_table
from dashboard.pages.gaps import gap_table
from dashboard.pages.page import Page
from dashboard.pages.quota import read_quota
from dashboard.prepared import PreparedMarket
from dashboard.tables import Column, Row, Table

RUNS: Final = 60  # of those in the table recent_run
CELLS: Final = 40  # the last runs of a basket, as many as the table basket has
SELECT_BASKETS: Final = "FROM memory.main.basket ORDER BY basket, source"
SELECT_RUNS: Final = "FROM memory.main.recent_run ORDER BY newest DESC, run_id LIMIT $limit"
SELECT_FRESH: Final = """
SELECT provider, currency, listed, fresh_share, observed_at FROM memory.main.freshness
ORDER BY provider, currency
"""
BASKET_COLUMNS: Final = (
    Column("basket", "Basket"),
    Column("state", "Last run"),
    Column("success_age", "Last success", "age"),
    Column("every", "Every", "age", secondary=True),
    Column("rows_fetched", "Rows", "count"),
    Column("rows_changed", "Changed", "count", secondary=True),
    Column("requests", "Requests", "count", secondary=True),
    Column("quota_remaining", "Left of the month", "count", secondary=True),
    Column("reason", "Why", secondary=True),
    Column("chart", f"Last {CELLS} runs, the newest right", "chart", secondary=True),
)
RUN_COLUMNS: Final = (
    Column("run_id", "Run"),
    Column("basket", "Basket"),
    Column("state", "State"),
    Column("started_at", "Started", "moment"),
    Column("runs", "Runs", "count", secondary=True),
    Column("took", "Took", "age", secondary=True),
    Column("requests", "Requests", "count", secondary=True),
    Column("rows_fetched", "Rows", "count"),
    Column("rows_changed", "Changed", "count"),
    Column("rows_rejected", "Rejected", "count", secondary=True),
    Column("incomplete_reason", "Why", secondary=True),
)


def build_collection_page(market: PreparedMarket) -> Page:
    """Return the page: what is wrong first, then how it goes, then the runs."""
    alerts = market.collector.alerts()
    quota, charts = read_quota(market)
    return Page(
        "collection.html",
        "Collection",
        charts=charts,
        tables=(
            _basket_table(market),
            alert_table(alerts),
            watch_table(alerts),
            quota,
            gap_table(market),
            _fresh_table(market),
            _run_table(market),
        ),
    )


def _basket_table(market: PreparedMarket) -> Table:
    rows = []
    for row in market.records(SELECT_BASKETS):
        newest, success, every = market.newest, row["last_success"], row["interval_seconds"]
        rows.append(
            Row({
                **row,
                "success_age": newest - success if newest and success else None,
                "every": timedelta(seconds=every) if every else None,
                "chart": draw_cells(row["states"], most=CELLS),
            })
        )  # fmt: skip
    return Table("baskets", "Baskets", BASKET_COLUMNS, rows, empty="No basket has run yet.")


def _fresh_table(market: PreparedMarket) -> Table:
    """Return the fresh share of what is listed: a row for a marketplace, a column for a currency."""
    found = market.records(SELECT_FRESH)
    by_provider: dict[str, list[dict[str, Any]]] = {}
    for each in found:
        by_provider.setdefault(each["provider"], []).append(each)
    rows = []
    for provider, parts in by_provider.items():
        last = max((part["observed_at"] for part in parts if part["observed_at"]), default=None)
        shares = {part["currency"]: part["fresh_share"] for part in parts}
        seen = market.newest - last if market.newest and last else None
        listed = sum(part["listed"] or 0 for part in parts)
        rows.append(Row({**shares, "provider": provider, "listed": listed, "seen": seen}))
    columns = (
        Column("provider", "Marketplace"),
        Column("listed", "Quotes", "count", secondary=True),
        *(Column(currency, f"Fresh, {currency}", "share") for currency in market.currencies),
        Column("seen", "Seen", "age"),
    )
    note = "How many of the listed quotes count as “now”. A dash: nothing is listed in this currency."
    return Table("freshness", "Freshness", columns, rows, empty="Nothing is listed.", note=note)


def _run_table(market: PreparedMarket) -> Table:
    rows = [
        Row(row, {"run_id": f"/collection/runs/{quote(row['run_id'], safe='')}"})
        for row in market.records(SELECT_RUNS, {"limit": RUNS})
    ]
    return Table(
        "runs", "Runs", RUN_COLUMNS, rows, empty="There was no run.",
        note="The runs of a backfill are one row, with the name and the state of the last one.",
    )  # fmt: skip
