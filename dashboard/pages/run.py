"""The page of a run: what it did, and what it observed."""

from __future__ import annotations

from typing import Final

from dashboard.formatting import format_count
from dashboard.pages.page import Figure, Page
from dashboard.prepared import PreparedMarket
from dashboard.tables import Column, Row, Table

SELECT_RUN: Final = "FROM runs WHERE run_id = $run_id"
SELECT_OBSERVATIONS: Final = """
SELECT provider, currency, delivery, scope, complete, rows, observed_from, observed_to, reason
FROM observations WHERE run_id = $run_id ORDER BY provider, currency, delivery, scope
"""
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
