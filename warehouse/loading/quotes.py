"""Loading: one landing into the database, in one transaction; the SQL files in sql/load are its steps.

Loading the same landing twice changes nothing: a run that the database holds is left alone.
"""

from __future__ import annotations

from datetime import datetime

import duckdb
import polars as pl

from warehouse.database import SQL
from warehouse.landing.conversion import convert_raw_shards, needs_row_parsing, no_parser
from warehouse.landing.ndjson import RowParser
from warehouse.landing.reader import CorruptLanding, LandedRun
from warehouse.landing.series import is_series_landing
from warehouse.loading.ndjson import UnexpectedContent, insert_ndjson_rows, preserve_join_order
from warehouse.loading.run import (
    LoadReport,
    Outlier,
    SuspectProvider,
    _number,
    _set_variables,
    _transaction,
    _write_run,
)
from warehouse.loading.staging import stage_frame, stage_metadata, stage_names, stream_rows

# A bit an item, a string of them a book: counted sooner than DISTINCT keys are.
COUNT_DUPLICATES = """SELECT coalesce(sum(twice), 0) FROM (
    SELECT count(*) - bit_count(bitstring_agg(quote_key >> 20, 0, getvariable('newest_item'))) AS twice
    FROM arrived GROUP BY quote_key & 1048575)"""
COUNT_UNKNOWN_NAMES = """SELECT
    (SELECT count(*) FROM arrived WHERE quote_key IS NULL)
    + (SELECT count(*) FROM shard_item m ANTI JOIN store.item i ON i.source = getvariable('source')
       AND i.item_id = m.item_id AND i.phase IS NOT DISTINCT FROM m.phase WHERE m.item_id IS NOT NULL)
    + (SELECT count(*) FROM shard_provider m ANTI JOIN store.provider p ON p.source = getvariable('source')
       AND p.provider = m.provider)"""
COMPLETE_PROVIDERS = """SELECT DISTINCT p.provider
    FROM store.observation o JOIN store.provider p USING (provider_key)
    WHERE o.run_key = getvariable('run_key') AND o.complete AND o.rows > 0 ORDER BY ALL"""
COUNT_LATER_OBSERVATIONS = """SELECT
    (SELECT count(*) FROM store.observation o JOIN store.scope s USING (scope_key)
     WHERE s.source = getvariable('source') AND o.complete AND o.observed_from > getvariable('observed_from'))
    + (SELECT count(*) FROM store.current c JOIN store.provider p USING (provider_key)
       WHERE p.source = getvariable('source') AND c.seen_at > getvariable('observed_from'))"""
# What says that a landing's content is at fault, and not the disk, the memory or another process.
NOT_LOADABLE = (
    duckdb.DataError, duckdb.IntegrityError, duckdb.ProgrammingError, pl.exceptions.PolarsError,
    ValueError, LookupError, TypeError,
)  # fmt: skip


def load_run(
    db: duckdb.DuckDBPyConnection, run: LandedRun, now: datetime, retype: RowParser = no_parser
) -> LoadReport | None:
    """Load one landing; None where the database holds it already. The facts enter whole or not at all.

    `retype` reads lines that cannot be taken as they are. Raises Unreadable where the landing itself is what
    cannot be loaded.
    """
    if db.execute("SELECT 1 FROM store.run WHERE run_id = ?", [run.header.run_id]).fetchall():
        return None
    try:
        if is_series_landing(run.folder):
            from warehouse.loading.series import load_series  # which needs this module

            return load_series(db, run, now)
        run, fetched = _prepare_with_fallback(db, convert_raw_shards(run, retype, needs_row_parsing), retype)
        with _transaction(db):
            return _commit(db, run, fetched, now)
    except NOT_LOADABLE as error:
        raise CorruptLanding.from_error(run.folder, error) from error


def _prepare_with_fallback(
    db: duckdb.DuckDBPyConnection, run: LandedRun, retype: RowParser
) -> tuple[LandedRun, int]:
    """The landing as it can be loaded, prepared; see `_prepare`."""
    try:
        return run, _prepare(db, run)
    except UnexpectedContent:
        run = convert_raw_shards(run, retype)
        return run, _prepare(db, run)


def _prepare(db: duckdb.DuckDBPyConnection, run: LandedRun) -> int:
    """Work out in temporary tables what the run changes; how many rows it brought.

    This comes before the transaction, in which DuckDB would read these tables with one thread only. New
    names enter already: a name without a quote is no half of a run.
    """
    _set_variables(db, run)
    stage_metadata(db, run)
    _step(db, "0_begin")
    _step(db, "0_exact")
    _assign_keys(db, run)
    db.execute("SET VARIABLE newest_item = (SELECT coalesce(max(item_key), 0) FROM store.item)")
    if _number(db, COUNT_DUPLICATES):
        _step(db, "4_once")
    _step(db, "5_scopes")
    _step(db, "5_doubts")
    fetched = _number(db, "SELECT count(*) FROM arrived")
    if _number(db, COUNT_LATER_OBSERVATIONS):
        _step(db, "6_late")
    _step(db, "7_compared")
    _step(db, "8_gone")
    return fetched


def _commit(db: duckdb.DuckDBPyConnection, run: LandedRun, fetched: int, now: datetime) -> LoadReport:
    if _number(db, "SELECT count(*) FROM late"):
        _step(db, "9_late")
    _step(db, "9_apply")
    if _stage_catalog(db, run, "fx"):
        _step(db, "9_fx")
    report = _report(db, run, fetched)
    _write_run(db, run, report, now)
    _mark_replayed(db, run)
    return report


def _assign_keys(db: duckdb.DuckDBPyConnection, run: LandedRun) -> None:
    """Make arrived. Names are read apart, and the rows once more, only where something new is among them.

    Lines are read before their names are believed.
    """
    catalogs = [name for name in ("items", "providers") if _stage_catalog(db, run, name)]
    known = _number(db, "SELECT count(*) FROM store.item WHERE source = getvariable('source')")
    if run.lines or (known and not catalogs):
        _stage_rows(db, run)
        if known and not catalogs and not _number(db, COUNT_UNKNOWN_NAMES):
            return
    stage_names(db, run)
    _step(db, "1_seen")
    for name in catalogs:
        _step(db, f"1_catalog_{name}")
    _step(db, "2_dimensions")
    for name in catalogs:
        _step(db, f"2_catalog_{name}")
    _stage_rows(db, run)


def _stage_catalog(db: duckdb.DuckDBPyConnection, run: LandedRun, name: str) -> bool:
    """Make catalog_NAME of a catalog that was fetched on the way; False where there is none."""
    frame = run.catalog(name)
    if frame is not None:
        stage_frame(db, f"catalog_{name}", frame)
    return frame is not None


def _stage_rows(db: duckdb.DuckDBPyConnection, run: LandedRun) -> None:
    _step(db, "2_books")
    _step(db, "3_incoming")
    if run.shards:
        with stream_rows(db, run), preserve_join_order(db):
            _step(db, "3_typed")
    insert_ndjson_rows(db, run.lines)


def _report(db: duckdb.DuckDBPyConnection, run: LandedRun, fetched: int) -> LoadReport:
    outliers = db.execute((SQL / "load" / "9_report.sql").read_text()).fetchall()
    held = db.execute(
        "SELECT provider,"
        " format('{} of {} quotes vanished at once', sum(vanished)::BIGINT, sum(listed)::BIGINT)"
        " FROM dark JOIN store.provider USING (provider_key) GROUP BY provider"
        " UNION SELECT provider, 'the API says that it is down' FROM down_key"
    ).fetchall()
    changes = db.execute(
        "SELECT DISTINCT format('{}: {} {} is now {} {}', item_id, was_name, coalesce(was_phase, ''),"
        " market_hash_name, coalesce(phase, '')) FROM contract_change ORDER BY ALL LIMIT 20"
    ).fetchall()
    closed = _number(db, "SELECT count(*) FROM gone")
    entered = "SELECT count(*) FROM store.history WHERE run_key = getvariable('run_key')"
    return LoadReport(
        run_id=run.header.run_id,
        source=run.header.source,
        basket=run.header.basket,
        state=run.done["state"],
        rows_fetched=fetched,
        rows_changed=_number(db, entered),
        rows_closed=closed,
        rows_late=_number(db, "SELECT count(*) FROM late"),
        rows_rejected=_number(db, "SELECT count(*) FROM reject"),
        outliers=tuple(Outlier(*row) for row in outliers),
        held=tuple(SuspectProvider(*row) for row in held),
        contract_changes=tuple(row[0] for row in changes),
        brought=tuple(row[0] for row in db.execute(COMPLETE_PROVIDERS).fetchall()),
        unknown_fields=run.unknown_fields,
    )


def _mark_replayed(db: duckdb.DuckDBPyConnection, run: LandedRun) -> None:
    replayed = run.done.get("replayed", [])
    if replayed:
        db.execute(
            "UPDATE store.reject SET replayed_run_id = ? WHERE list_contains(?, reject_id)",
            [run.header.run_id, replayed],
        )


def _step(db: duckdb.DuckDBPyConnection, name: str) -> None:
    db.execute((SQL / "load" / f"{name}.sql").read_text())
