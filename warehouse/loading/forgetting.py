"""Take runs out of the database whose landings are loaded again."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta
from pathlib import Path

import duckdb

from common.files import to_json
from warehouse.best_asks import update_stale_best_asks
from warehouse.landing.conversion import no_parser
from warehouse.landing.model import RunHeader
from warehouse.landing.reader import LandedRun
from warehouse.loading.late import recompute_late_quotes
from warehouse.loading.quotes import begin_load
from warehouse.loading.run import fetch_count, run_step
from warehouse.migration import fill_stale_gaps
from warehouse.sealing.months import reopen_months
from warehouse.sealing.observed_items import take_back_items
from warehouse.transactions import transaction
from warehouse.views.quote_states import view_states

# Complete observations that lacked a quote for longer have closed it.
LOOKBACK = timedelta(days=7)
OBSERVED_FROM = "SELECT min(observed_from) FROM store.observation SEMI JOIN forgotten USING (run_key)"
FORGOTTEN_FROM = "SELECT min(valid_from) FROM quote_state WHERE run_key IN (SELECT run_key FROM forgotten)"
COUNT_KEPT = "SELECT count(*) FROM store.run WHERE run_key NOT IN (SELECT run_key FROM forgotten)"
INSERT_UNCERTAIN = """
INSERT INTO late_quote
SELECT quote_key FROM uncertain_quote SEMI JOIN store.current USING (quote_key)
ANTI JOIN late_quote USING (quote_key) WHERE source = ?
"""
# Of a source without a run that stays, no quote is left.
SELECT_SOURCES = """
SELECT source, restart_at FROM restart
WHERE restart_at IS NOT NULL AND source IN (SELECT source FROM uncertain_quote)
"""


def forget_runs(db: duckdb.DuckDBPyConnection, landed: Collection[str]) -> int:
    """Take the runs `landed` (run ids) out of the database as if they had never been loaded.

    Of each source, only runs after the last run without a landing are taken out; the others stay. Returns the
    number of runs that stay. Runs of backfills stay: of their rows, any order of loading gives the same.
    """
    db.execute(
        "CREATE OR REPLACE TEMP TABLE landed AS SELECT unnest(from_json(?, '[\"VARCHAR\"]')) AS run_id",
        [to_json(sorted(landed)).decode()],
    )
    run_step(db, "rebuild/find_forgettable_runs")
    kept = fetch_count(db, COUNT_KEPT)
    if not kept:
        return 0
    view_states(db)
    ((forgotten_from,),) = db.execute(FORGOTTEN_FROM).fetchall()
    if forgotten_from is not None:
        reopen_months(db, forgotten_from)
    ((observed_from,),) = db.execute(OBSERVED_FROM).fetchall()
    if observed_from is not None:
        take_back_items(db, observed_from)
    with transaction(db):
        run_step(db, "rebuild/forget_runs")
    for source, restart_at in db.execute(SELECT_SOURCES).fetchall():
        header = RunHeader("", flow="rebuild", source=source, basket="", started_at=restart_at - LOOKBACK)
        begin_load(db, LandedRun(Path(), header, {}, ()))
        db.execute(INSERT_UNCERTAIN, [source])
        recompute_late_quotes(db, Path(), no_parser)
        with transaction(db):
            run_step(db, "load/insert_late_quotes")
    fill_stale_gaps(db)
    update_stale_best_asks(db)
    return kept
