"""Load one landing of quotes in one transaction; the steps are the SQL files of sql/load.

Only this module knows their order. Loading a landing twice changes nothing: a run in the database is skipped.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import duckdb
import polars as pl

from common.shards import item_label
from common.text import escape
from warehouse.best_asks import update_best_asks, view_filled_states
from warehouse.landing.conversion import convert_raw_shards, no_parser
from warehouse.landing.inventory import is_series_landing
from warehouse.landing.ndjson import RowParser
from warehouse.landing.reader import CorruptLanding, LandedRun
from warehouse.loading.movements import (
    count_by_marketplace,
    find_biggest_moves,
    find_complete_providers,
    find_outliers,
)
from warehouse.loading.names import assign_keys
from warehouse.loading.ndjson import UnexpectedContent, insert_ndjson_rows
from warehouse.loading.run import (
    LoadReport,
    SuspectProvider,
    fetch_count,
    fill_gaps,
    holds_run,
    insert_run,
    judge_rejects,
    run_step,
    set_variables,
)
from warehouse.loading.staging import stage_catalog, stage_metadata, stage_names, stream_rows
from warehouse.sealing.observed_items import view_items
from warehouse.transactions import transaction, whole_load
from warehouse.views.quote_states import view_states

# Per book, a bit for each item: faster than to count distinct keys.
COUNT_DUPLICATES = """SELECT coalesce(sum(duplicates), 0) FROM (
    SELECT count(*) - bit_count(bitstring_agg(quote_key >> 20, 0, getvariable('max_item_key'))) AS duplicates
    FROM staged_row GROUP BY quote_key & 1048575)"""
COUNT_UNKNOWN_NAMES = """SELECT
    (SELECT count(*) FROM staged_row WHERE quote_key IS NULL)
    + (SELECT count(*) FROM shard_item m ANTI JOIN store.item i ON i.source = getvariable('source')
       AND i.item_id = m.item_id AND i.phase IS NOT DISTINCT FROM m.phase
       AND i.base_name = store.base_name(m.market_hash_name) WHERE m.item_id IS NOT NULL)
    + (SELECT count(*) FROM (SELECT provider FROM shard_provider UNION FROM accepted) m
       ANTI JOIN store.provider p ON p.source = getvariable('source') AND p.provider = m.provider)"""
# What find_late_rows looks for: observations of other runs and acceptances after the start of this one, items
# of one id with several names, and the runs that always change the past. Of observations at the very same
# time, that step knows which is later.
COUNT_REASONS_FOR_LATE = """SELECT (
    SELECT count(*) FROM store.observation o JOIN store.scope s USING (scope_key)
    WHERE s.source = getvariable('source') AND o.observed_to >= getvariable('observed_from')
) + (
    SELECT count(*) FROM (SELECT item_id FROM store.item WHERE source = getvariable('source')
        GROUP BY item_id HAVING count(DISTINCT base_name) > 1)
) + (
    SELECT count(*) FROM store.acceptance a JOIN store.provider p USING (provider_key)
    WHERE p.source = getvariable('source') AND a.accepted_at >= getvariable('observed_from')
) + (
    SELECT count(*) FROM (SELECT max(removed_at) AS latest FROM store.removal)
    WHERE latest >= getvariable('observed_from')
) + (getvariable('flow') = 'replay')::INTEGER + (SELECT count(*) FROM accepted)"""
COUNT_KNOWN_ITEMS = "SELECT count(*) FROM store.item WHERE source = getvariable('source')"
COUNT_STAGED = "SELECT count(*) FROM staged_row"
COUNT_LATE = "SELECT count(*) FROM late_quote"
COUNT_POINTS = "SELECT (SELECT count(*) FROM store.point) + (SELECT count(*) FROM store.stale_filling)"
COUNT_OPEN_FILLED = "SELECT count(*) FROM filled_state WHERE valid_to IS NULL"
COUNT_LATE_ROWS = "SELECT count(*) FROM late_row"
COUNT_REJECTS = "SELECT count(*) FROM reject"
# What was removed may be no difference: that has the quotes of the marketplaces with a row.
COUNT_DIFFERENCES = "SELECT (SELECT count(*) FROM difference) + (SELECT count(*) FROM closure)"
COUNT_REMOVALS = "SELECT count(*) FROM removal"
# Only a feed says that a quote was removed; of other runs, the rows are not read for that.
COUNT_ROWS_WITHOUT_ASK = """SELECT CASE WHEN getvariable('flow') = 'live'
    THEN (SELECT count(*) FROM staged_row WHERE lowest_ask IS NULL) ELSE 0 END"""
COUNT_MISSING = "SELECT count(*) FROM difference WHERE NOT present"
COUNT_INCOMPLETE = """SELECT (SELECT count(*) FROM shard_observation WHERE NOT complete)
    + (SELECT count(*) FROM suspect_provider) + (SELECT count(*) FROM down_provider)"""
COUNT_CONFIRMATIONS = """SELECT (SELECT count(*) FROM confirmed_quote) + (SELECT count(*) FROM doubted_quote)
    + (SELECT count(*) FROM reconfirmed_quote) + (SELECT count(*) FROM closure)"""
# The changes of this run: those of late quotes are computed anew.
COUNT_CLOSURES = """SELECT (SELECT count(*) FROM closure) + (
    SELECT count(*) FROM recomputed_change WHERE run_key = getvariable('run_key') AND lowest_ask IS NULL)"""
COUNT_CHANGES = """SELECT (SELECT count(*) FROM updated_quote WHERE changed)
    + (SELECT count(*) FROM closure)
    + (SELECT count(*) FROM recomputed_change WHERE run_key = getvariable('run_key'))"""

# The states that end now, after the start of the run: one that ends in a sealed month reopens this month.
COUNT_APPENDED = """SELECT CASE WHEN EXISTS (FROM store.sealed_month)
    THEN (SELECT count(*) FROM updated_quote WHERE changed) + (SELECT count(*) FROM closure) ELSE 0 END"""

# The order of the steps. A step with a query runs only where the query counts at least one row.
Steps = Mapping[str, str | None]
BEGIN_STEPS: Steps = {"create_load_tables": None, "create_strict_casts": None}
STAGING_STEPS: Steps = {"add_books": None, "create_staged_rows": None}
CLEANING_STEPS: Steps = {
    "remove_duplicates": COUNT_DUPLICATES,
    "separate_removals": COUNT_ROWS_WITHOUT_ASK,
    "find_scopes": None,
    "list_observed_items": None,
    "find_unread": None,
}
COMPARISON_STEPS: Steps = {"compare_rows": None, "find_missing": COUNT_MISSING}
CLOSURE_STEPS: Steps = {
    "find_suspects": "SELECT count(*) FROM missing_count",
    "find_closures": COUNT_MISSING,
    "close_removed": COUNT_REMOVALS,
    "find_confirmations": COUNT_INCOMPLETE,
    "find_reconfirmed": None,
}
INSERT_STEPS: Steps = {
    "insert_rejects": COUNT_REJECTS,
    "insert_changes": COUNT_DIFFERENCES,
    "insert_removals": COUNT_REMOVALS,
    "update_confirmations": COUNT_CONFIRMATIONS,
    "insert_observations": None,
    "update_aggregates": "SELECT count(*) FROM aggregate_in_catalog",
    "insert_acceptances": "SELECT count(*) FROM accepted",
    "insert_late_quotes": COUNT_LATE,
    "find_changed_asks": COUNT_DIFFERENCES,
}

SUSPECT_PROVIDERS = """SELECT provider,
        format('{} of {} quotes vanished at once', sum(vanished)::BIGINT, sum(listed)::BIGINT)
    FROM suspect_provider JOIN store.provider USING (provider_key) GROUP BY provider
    UNION SELECT provider, 'the API says that it is down' FROM reported_down"""
CONTRACT_CHANGES = """SELECT DISTINCT item_id, was_name, was_phase, market_hash_name, phase
    FROM contract_change ORDER BY ALL LIMIT 20"""
# The errors that put the content of a landing at fault, and not the disk, the memory or another process.
NOT_LOADABLE = (
    duckdb.DataError, duckdb.IntegrityError, duckdb.ProgrammingError, pl.exceptions.PolarsError,
    ValueError, LookupError, TypeError,
)  # fmt: skip


class _RunHeld(Exception):
    """The database holds the run already: the transaction that found that in a lake is no snapshot."""


def load_run(
    db: duckdb.DuckDBPyConnection, run: LandedRun, now: datetime, *, row_parser: RowParser = no_parser
) -> LoadReport | None:
    """Load one landing, whole or not at all; return None where the database holds the run already.

    `row_parser` parses raw rows that DuckDB cannot take as they are. Raises CorruptLanding where the content
    of the landing cannot be loaded.
    """
    try:
        try:
            return _load(db, run, now, row_parser=row_parser, inexact_only=True)
        except UnexpectedContent:
            return _load(db, run, now, row_parser=row_parser, inexact_only=False)
    except _RunHeld:
        return None
    except NOT_LOADABLE as error:
        raise CorruptLanding.from_error(run.folder, error) from error


def _load(
    db: duckdb.DuckDBPyConnection, run: LandedRun, now: datetime, *, row_parser: RowParser, inexact_only: bool
) -> LoadReport:
    """Load a landing; of raw rows, parse only those that DuckDB would not take exactly, or all of them."""
    with whole_load(db) as work:
        if holds_run(work, run):
            raise _RunHeld
        if is_series_landing(run.folder):
            from warehouse.loading.series import load_series

            return load_series(work, run, now)
        run = convert_raw_shards(run, row_parser, inexact_only=inexact_only)
        fetched = _prepare(work, run, row_parser)
        with transaction(work):
            return _insert(work, run, fetched=fetched, now=now)


def begin_load(db: duckdb.DuckDBPyConnection, run: LandedRun) -> int:
    """Fill the temporary tables with the content of a landing; return the number of staged rows.

    New items and providers are stored already: one without a quote is no part of a run.
    """
    set_variables(db, run)
    stage_metadata(db, run)
    _run_steps(db, BEGIN_STEPS)
    _stage_rows_with_keys(db, run)
    db.execute("SET VARIABLE max_item_key = (SELECT coalesce(max(item_key), 0) FROM store.item)")
    _run_steps(db, CLEANING_STEPS)
    if fetch_count(db, COUNT_REASONS_FOR_LATE):
        view_states(db, run.observed_from)
        view_items(db, run.observed_from)
        run_step(db, "load/find_late_rows")
    fetched = fetch_count(db, COUNT_STAGED) + fetch_count(db, COUNT_LATE_ROWS)
    _run_steps(db, COMPARISON_STEPS)
    return fetched


def _prepare(db: duckdb.DuckDBPyConnection, run: LandedRun, row_parser: RowParser) -> int:
    """Work out in temporary tables what the run changes; return the number of staged rows.

    This comes before the transaction, in which DuckDB would read these tables with one thread only.
    """
    fetched = begin_load(db, run)
    if fetch_count(db, COUNT_LATE):
        from warehouse.loading.late import recompute_late_quotes  # rare

        recompute_late_quotes(db, run.folder.parent, row_parser)
    _run_steps(db, CLOSURE_STEPS)
    if fetch_count(db, COUNT_APPENDED):
        from warehouse.sealing.months import reopen_months  # rare

        reopen_months(db, run.observed_from)
    return fetched


def _insert(db: duckdb.DuckDBPyConnection, run: LandedRun, *, fetched: int, now: datetime) -> LoadReport:
    _run_steps(db, INSERT_STEPS)
    if stage_catalog(db, run, "fx"):
        run_step(db, "load/insert_fx_rates")
    if stage_catalog(db, run, "market_stats"):
        run_step(db, "load/insert_market_stats")
    if stage_catalog(db, run, "fees"):
        run_step(db, "load/update_fees")
    if stage_catalog(db, run, "listings"):
        run_step(db, "load/insert_listings")
    report = judge_rejects(db, run, _report(db, run, fetched))
    insert_run(db, run, report, now=now)
    # After the run itself is stored: the coverage depends on its interval.
    if fetch_count(db, COUNT_POINTS):
        run_step(db, "load/find_refills")
        fill_gaps(db)
    view_filled_states(db)
    _run_steps(db, {"end_filled_states": COUNT_OPEN_FILLED})
    update_best_asks(db)
    if replayed := run.done.get("replayed"):
        values = [run.header.run_id, replayed]
        db.execute("INSERT INTO store.replay SELECT unnest($2), $1", values)
        db.execute("UPDATE store.reject SET replayed_run_id = $1 WHERE list_contains($2, reject_id)", values)
    return report


def _stage_rows_with_keys(db: duckdb.DuckDBPyConnection, run: LandedRun) -> None:
    """Fill staged_row. Read the names, and the rows once more, only where a name is new.

    Raw rows are read before their names: that proves their content.
    """
    names = ("items", "providers", "market_stats", "listing_walks")
    catalogs = [name for name in names if stage_catalog(db, run, name)]
    may_be_known = not catalogs and fetch_count(db, COUNT_KNOWN_ITEMS) > 0
    if run.raw_shards or may_be_known:
        _stage_rows(db, run)
        if may_be_known and not fetch_count(db, COUNT_UNKNOWN_NAMES):
            return
    stage_names(db, run)
    collect = ["collect_names", *(f"collect_catalog_{name}" for name in catalogs)]
    _run_steps(db, dict.fromkeys(collect))
    assign_keys(db)
    attributes = [name for name in catalogs if name in {"items", "providers"}]
    _run_steps(db, dict.fromkeys(f"update_catalog_{name}" for name in attributes))
    _stage_rows(db, run)


def _stage_rows(db: duckdb.DuckDBPyConnection, run: LandedRun) -> None:
    _run_steps(db, STAGING_STEPS)
    if run.shards:
        with stream_rows(db, run):
            run_step(db, "load/stage_typed_rows")
    insert_ndjson_rows(db, run.raw_shards)


def _run_steps(db: duckdb.DuckDBPyConnection, steps: Steps) -> None:
    for name, condition in steps.items():
        if condition is None or fetch_count(db, condition):
            run_step(db, f"load/{name}")


def _report(db: duckdb.DuckDBPyConnection, run: LandedRun, fetched: int) -> LoadReport:
    changed = fetch_count(db, COUNT_CHANGES)
    return LoadReport(
        run_id=run.header.run_id,
        source=run.header.source,
        basket=run.header.basket,
        state=run.done["state"],
        rows_fetched=fetched,
        rows_changed=changed,
        rows_closed=fetch_count(db, COUNT_CLOSURES) if changed else 0,
        rows_late=fetch_count(db, COUNT_LATE_ROWS),
        rows_rejected=fetch_count(db, COUNT_REJECTS),
        outliers=find_outliers(db) if changed else (),
        moves=find_biggest_moves(db) if changed else (),
        marketplaces=count_by_marketplace(db, changed=changed > 0),
        held=tuple(SuspectProvider(*row) for row in db.execute(SUSPECT_PROVIDERS).fetchall()),
        contract_changes=tuple(
            f"{escape(item_id)}: {item_label(was_name, was_phase)} is now {item_label(name, phase)}"
            for item_id, was_name, was_phase, name, phase in db.execute(CONTRACT_CHANGES).fetchall()
        ),
        brought=find_complete_providers(db),
        unknown_fields=run.unknown_fields,
    )
