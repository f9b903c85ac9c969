"""Judge a run by its rejects: whether any row can be used, and how their share compares with the usual."""

from __future__ import annotations

from typing import Final

import duckdb

from warehouse.landing.reader import LandedRun

# The state of a run of which no row can be used, although rows came.
UNUSABLE: Final = "unusable"
SHOWN_REASONS: Final = 3
USUAL_RUNS: Final = 20
SELECT_REASONS: Final = """
SELECT reason, count(*) AS rejects FROM reject GROUP BY reason ORDER BY rejects DESC, reason LIMIT ?
"""
SELECT_USUAL_SHARE: Final = """
SELECT median(share) FROM (
    SELECT rows_rejected / (rows_fetched + rows_rejected) AS share FROM store.run
    WHERE source = $source AND basket = $basket AND flow = $flow AND started_at < $started_at
        AND rows_fetched + rows_rejected > 0
    ORDER BY started_at DESC LIMIT $runs
)
"""


def final_state(run: LandedRun, *, fetched: int, rejected: int) -> str:
    """Return the state of a run after its load: unusable where rows came and every one was rejected."""
    state: str = run.done["state"]
    return UNUSABLE if state in {"done", "incomplete"} and rejected and not fetched else state


def describe_rejects(db: duckdb.DuckDBPyConnection) -> str:
    """Return the commonest reasons in the table `reject`, each with its number of rows, in one line."""
    rows = db.execute(SELECT_REASONS, [SHOWN_REASONS]).fetchall()
    return "; ".join(f"{reason} ({count:,} {'row' if count == 1 else 'rows'})" for reason, count in rows)


def usual_reject_share(db: duckdb.DuckDBPyConnection, run: LandedRun) -> float | None:
    """Return the median share of rejects in the last runs of the basket before this one, 0 without any.

    None for a run that is no snapshot: what other flows fetch differs from run to run.
    """
    header = run.header
    if header.flow != "snapshot":
        return None
    values = {
        "source": header.source,
        "basket": header.basket,
        "flow": header.flow,
        "started_at": header.started_at,
        "runs": USUAL_RUNS,
    }
    ((share,),) = db.execute(SELECT_USUAL_SHARE, values).fetchall()
    return float(share or 0.0)
