"""The page of the collection: baskets with their last runs, alerts, freshness, and all recent runs."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final
from urllib.parse import quote

from dashboard.formatting import format_count
from dashboard.pages.page import Figure, Page
from dashboard.prepared import PreparedMarket
from dashboard.tables import Column, Row, Table

RUNS: Final = 60
ALERTS: Final = 20
CELLS: Final = 40  # the last runs of a basket, as a line of cells
SELECT_BASKETS: Final = """
SELECT basket, source, arg_max(state, started_at) AS state,
    arg_max_null(incomplete_reason, started_at) AS reason,
    max(started_at) FILTER (state = 'done') AS last_success,
    arg_max_null(interval_seconds, started_at) AS interval_seconds,
    arg_max(rows_fetched, started_at) AS rows_fetched, arg_max(rows_changed, started_at) AS rows_changed,
    arg_max(requests, started_at) AS requests, arg_max_null(quota_remaining, started_at) AS quota_remaining,
    list_reverse(list(state ORDER BY started_at DESC)[:$cells]) AS states
FROM runs WHERE flow = 'snapshot' GROUP BY basket, source ORDER BY basket, source
"""
SELECT_RUNS: Final = """
SELECT run_id, flow, basket, source, state, started_at, finished_at - started_at AS took, requests,
    rows_fetched, rows_changed, rows_rejected, incomplete_reason
FROM runs ORDER BY started_at DESC, run_id LIMIT $limit
"""
SELECT_ALERTS: Final = """
SELECT cause, source, subject, message, guidance, opened_at, closed_at, repeats FROM alerts
ORDER BY closed_at IS NOT NULL, opened_at DESC LIMIT $limit
"""
SELECT_FRESH: Final = """
SELECT provider, currency, sum(listed)::BIGINT AS listed, sum(fresh)::BIGINT AS fresh,
    sum(fresh) / nullif(sum(listed), 0) AS fresh_share, max(observed_at) AS observed_at
FROM coverage WHERE delivery <> 'bid' GROUP BY provider, currency ORDER BY provider, currency
"""
SELECT_RUN: Final = "FROM runs WHERE run_id = $run_id"
SELECT_OBSERVATIONS: Final = """
SELECT provider, currency, delivery, scope, complete, rows, observed_from, observed_to, reason
FROM observations WHERE run_id = $run_id ORDER BY provider, currency, delivery, scope
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
)
ALERT_COLUMNS: Final = (
    Column("state", "State"),
    Column("cause", "Cause"),
    Column("subject", "About"),
    Column("message", "What happened"),
    Column("guidance", "What to do", secondary=True),
    Column("opened_at", "Since", "moment", secondary=True),
)
FRESH_COLUMNS: Final = (
    Column("provider", "Marketplace"),
    Column("currency", "Currency"),
    Column("listed", "Quotes", "count"),
    Column("fresh_share", "Fresh", "share"),
    Column("seen", "Seen", "age"),
)
RUN_COLUMNS: Final = (
    Column("run_id", "Run"),
    Column("basket", "Basket"),
    Column("state", "State"),
    Column("started_at", "Started", "moment"),
    Column("took", "Took", "age", secondary=True),
    Column("requests", "Requests", "count", secondary=True),
    Column("rows_fetched", "Rows", "count"),
    Column("rows_changed", "Changed", "count"),
    Column("rows_rejected", "Rejected", "count", secondary=True),
    Column("incomplete_reason", "Why", secondary=True),
)
OBSERVATION_COLUMNS: Final = (
    Column("provider", "Marketplace"),
    Column("currency", "Currency"),
    Column("delivery", "Delivery", secondary=True),
    Column("scope", "Scope", secondary=True),
    Column("complete", "Complete"),
    Column("rows", "Rows", "count"),
    Column("observed_to", "Until", "moment"),
    Column("reason", "Why", secondary=True),
)


def build_collection_page(market: PreparedMarket) -> Page:
    """Return the page: baskets, alerts (the open ones first), freshness and runs."""
    baskets = market.records(SELECT_BASKETS, {"cells": CELLS})
    alerts = market.records(SELECT_ALERTS, {"limit": ALERTS})
    return Page(
        "collection.html",
        "Collection",
        tables=(
            _basket_table(market, baskets),
            _alert_table(alerts),
            _fresh_table(market),
            _run_table(market),
        ),
        context={"baskets": baskets},
    )


def build_run_page(market: PreparedMarket, run_id: str) -> Page | None:
    """Return the page of one run, with what it observed; None where there is no such run."""
    found = market.records(SELECT_RUN, {"run_id": run_id})
    if not found:
        return None
    run = found[0]
    observations = market.records(SELECT_OBSERVATIONS, {"run_id": run_id})
    rows = [Row({**row, "complete": "yes" if row["complete"] else "no"}) for row in observations]
    return Page(
        "run.html",
        f"Run {run_id}",
        figures=[
            Figure("State", run["state"], run["incomplete_reason"] or ""),
            *(
                Figure(label, format_count(run[key]))
                for label, key in (
                    ("Requests", "requests"),
                    ("Rows", "rows_fetched"),
                    ("Changed", "rows_changed"),
                    ("Closed", "rows_closed"),
                    ("Rejected", "rows_rejected"),
                )
            ),
        ],
        tables=(Table("observations", "What the run observed", OBSERVATION_COLUMNS, rows),),
        context={"run": run},
    )


def _basket_table(market: PreparedMarket, baskets: list[dict[str, Any]]) -> Table:
    rows = []
    for row in baskets:
        newest, success, every = market.newest, row["last_success"], row["interval_seconds"]
        rows.append(
            Row({
                **row,
                "success_age": newest - success if newest and success else None,
                "every": timedelta(seconds=every) if every else None,
            })
        )  # fmt: skip
    return Table("baskets", "Baskets", BASKET_COLUMNS, rows, empty="No basket has run yet.")


def _alert_table(alerts: list[dict[str, Any]]) -> Table:
    rows = [Row({**row, "state": "closed" if row["closed_at"] else "open"}) for row in alerts]
    return Table("alerts", "Alerts", ALERT_COLUMNS, rows, empty="There was no alert.")


def _fresh_table(market: PreparedMarket) -> Table:
    newest = market.newest
    rows = [
        Row({**row, "seen": newest and row["observed_at"] and newest - row["observed_at"]})
        for row in market.records(SELECT_FRESH)
    ]
    return Table("freshness", "Freshness", FRESH_COLUMNS, rows, empty="Nothing is listed.")


def _run_table(market: PreparedMarket) -> Table:
    rows = [
        Row(row, {"run_id": f"/collection/runs/{quote(row['run_id'], safe='')}"})
        for row in market.records(SELECT_RUNS, {"limit": RUNS})
    ]
    return Table("runs", "Runs", RUN_COLUMNS, rows, empty="There was no run.")
