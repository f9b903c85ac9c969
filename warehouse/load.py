"""Loading: one landing into the database, in one transaction; the SQL files in sql/load are its steps.

Loading the same landing twice changes nothing: a run that the database holds is left alone.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from decimal import Decimal

import duckdb
import polars as pl

from warehouse.database import SQL
from warehouse.landed import LandedRun, Unreadable
from warehouse.lines import Retype
from warehouse.retype import nobody, retyped, torn
from warehouse.series import holds_series
from warehouse.stage import stage, stage_frame, stage_named, streamed
from warehouse.told import Unlike, insert_lines, joined_as_written

# A bit an item, a string of them a book: counted sooner than DISTINCT keys are.
TWICE = """SELECT coalesce(sum(twice), 0) FROM (
    SELECT count(*) - bit_count(bitstring_agg(quote_key >> 20, 0, getvariable('newest_item'))) AS twice
    FROM arrived GROUP BY quote_key & 1048575)"""
STRANGERS = """SELECT
    (SELECT count(*) FROM arrived WHERE quote_key IS NULL)
    + (SELECT count(*) FROM shard_item m ANTI JOIN store.item i ON i.source = getvariable('source')
       AND i.item_id = m.item_id AND i.phase IS NOT DISTINCT FROM m.phase WHERE m.item_id IS NOT NULL)
    + (SELECT count(*) FROM shard_provider m ANTI JOIN store.provider p ON p.source = getvariable('source')
       AND p.provider = m.provider)"""
BROUGHT = """SELECT DISTINCT p.provider FROM store.observation o JOIN store.provider p USING (provider_key)
    WHERE o.run_key = getvariable('run_key') AND o.complete AND o.rows > 0 ORDER BY ALL"""
LOOKED_AT_LATER = """SELECT
    (SELECT count(*) FROM store.observation o JOIN store.scope s USING (scope_key)
     WHERE s.source = getvariable('source') AND o.complete AND o.observed_from > getvariable('observed_from'))
    + (SELECT count(*) FROM store.current c JOIN store.provider p USING (provider_key)
       WHERE p.source = getvariable('source') AND c.seen_at > getvariable('observed_from'))"""

# What says that a landing's content is at fault, and not the disk, the memory or another process.
NOT_LOADABLE = (
    duckdb.DataError, duckdb.IntegrityError, duckdb.ProgrammingError, pl.exceptions.PolarsError,
    ValueError, LookupError, TypeError,
)  # fmt: skip


@dataclasses.dataclass(frozen=True, slots=True)
class Outlier:
    """A price ten times off its last value: kept, and shown. Prices are decimals in `currency`."""

    market_hash_name: str
    phase: str | None
    provider: str
    currency: str
    was: Decimal
    price: Decimal


@dataclasses.dataclass(frozen=True, slots=True)
class Held:
    """A provider of which nothing was closed: it is down, or too much vanished at once to believe it."""

    provider: str
    reason: str


@dataclasses.dataclass(frozen=True, slots=True)
class LoadReport:
    """What a load did with one run. `rows_changed` counts what entered the history, closings included.

    `brought` names the providers that a complete look found something at. A landing that could not be read
    was set aside: its state is `unreadable`, and `reason` says why.
    """

    run_id: str
    source: str
    basket: str
    state: str
    rows_fetched: int = 0
    rows_changed: int = 0
    rows_closed: int = 0
    rows_late: int = 0
    rows_rejected: int = 0
    outliers: tuple[Outlier, ...] = ()
    held: tuple[Held, ...] = ()
    contract_changes: tuple[str, ...] = ()
    brought: tuple[str, ...] = ()
    reason: str | None = None
    unknown_fields: Mapping[str, int] = dataclasses.field(default_factory=dict)


def load_run(
    db: duckdb.DuckDBPyConnection, run: LandedRun, now: datetime, retype: Retype = nobody
) -> LoadReport | None:
    """Load one landing; None where the database holds it already. The facts enter whole or not at all.

    `retype` reads lines that cannot be taken as they are. Raises Unreadable where the landing itself is what
    cannot be loaded.
    """
    if db.execute("SELECT 1 FROM store.run WHERE run_id = ?", [run.header.run_id]).fetchall():
        return None
    try:
        if holds_series(run.folder):
            from warehouse.load_series import load_series  # which needs this module

            return load_series(db, run, now)
        run, fetched = _prepared(db, retyped(run, retype, torn), retype)
        with _transaction(db):
            return _enter(db, run, fetched, now)
    except NOT_LOADABLE as error:
        raise Unreadable.of(run.folder, error) from error


def _prepared(db: duckdb.DuckDBPyConnection, run: LandedRun, retype: Retype) -> tuple[LandedRun, int]:
    """The landing as it can be loaded, prepared; see `_prepare`."""
    try:
        return run, _prepare(db, run)
    except Unlike:
        run = retyped(run, retype)
        return run, _prepare(db, run)


def _prepare(db: duckdb.DuckDBPyConnection, run: LandedRun) -> int:
    """Work out in temporary tables what the run changes; how many rows it brought.

    This comes before the transaction, in which DuckDB would read these tables with one thread only. New
    names enter already: a name without a quote is no half of a run.
    """
    _set_variables(db, run)
    stage(db, run)
    _step(db, "0_begin")
    _step(db, "0_exact")
    _key_rows(db, run)
    db.execute("SET VARIABLE newest_item = (SELECT coalesce(max(item_key), 0) FROM store.item)")
    if _number(db, TWICE):
        _step(db, "4_once")
    _step(db, "5_scopes")
    _step(db, "5_doubts")
    fetched = _number(db, "SELECT count(*) FROM arrived")
    if _number(db, LOOKED_AT_LATER):
        _step(db, "6_late")
    _step(db, "7_compared")
    _step(db, "8_gone")
    return fetched


def _enter(db: duckdb.DuckDBPyConnection, run: LandedRun, fetched: int, now: datetime) -> LoadReport:
    if _number(db, "SELECT count(*) FROM late"):
        _step(db, "9_late")
    _step(db, "9_apply")
    if _stage_catalog(db, run, "fx"):
        _step(db, "9_fx")
    report = _report(db, run, fetched)
    _write_run(db, run, report, now)
    _mark_replayed(db, run)
    return report


@contextlib.contextmanager
def _transaction(db: duckdb.DuckDBPyConnection) -> Iterator[None]:
    db.begin()
    try:
        yield
        db.commit()
    except BaseException:
        with contextlib.suppress(duckdb.Error):  # a commit that failed has rolled back already
            db.rollback()
        raise


def _set_variables(db: duckdb.DuckDBPyConnection, run: LandedRun) -> None:
    values = {
        "run_key": _number(db, "SELECT coalesce(max(run_key), 0) + 1 FROM store.run"),
        "source": run.header.source,
        "observed_from": run.observed_from,
        "started_at": run.header.started_at,
    }
    for name, value in values.items():
        db.execute(f"SET VARIABLE {name} = ?", [value])


def _key_rows(db: duckdb.DuckDBPyConnection, run: LandedRun) -> None:
    """Make arrived. Names are read apart, and the rows once more, only where something new is among them.

    Lines are read before their names are believed.
    """
    catalogs = [name for name in ("items", "providers") if _stage_catalog(db, run, name)]
    known = _number(db, "SELECT count(*) FROM store.item WHERE source = getvariable('source')")
    if run.lines or (known and not catalogs):
        _stream_incoming(db, run)
        if known and not catalogs and not _number(db, STRANGERS):
            return
    stage_named(db, run)
    _step(db, "1_seen")
    for name in catalogs:
        _step(db, f"1_catalog_{name}")
    _step(db, "2_dimensions")
    for name in catalogs:
        _step(db, f"2_catalog_{name}")
    _stream_incoming(db, run)


def _stage_catalog(db: duckdb.DuckDBPyConnection, run: LandedRun, name: str) -> bool:
    """Make catalog_NAME of a catalog that was fetched on the way; False where there is none."""
    frame = run.catalog(name)
    if frame is not None:
        stage_frame(db, f"catalog_{name}", frame)
    return frame is not None


def _stream_incoming(db: duckdb.DuckDBPyConnection, run: LandedRun) -> None:
    _step(db, "2_books")
    _step(db, "3_incoming")
    if run.shards:
        with streamed(db, run), joined_as_written(db):
            _step(db, "3_typed")
    insert_lines(db, run.lines)


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
        held=tuple(Held(*row) for row in held),
        contract_changes=tuple(row[0] for row in changes),
        brought=tuple(row[0] for row in db.execute(BROUGHT).fetchall()),
        unknown_fields=run.unknown_fields,
    )


def _write_run(db: duckdb.DuckDBPyConnection, run: LandedRun, report: LoadReport, now: datetime) -> None:
    header, done = run.header, run.done
    fields = {
        "run_id": header.run_id,
        "flow": header.flow,
        "source": header.source,
        "basket": header.basket,
        "state": done["state"],
        "started_at": header.started_at,
        "finished_at": done.get("finished_at"),
        "loaded_at": now,
        "requests": done.get("requests", 0),
        "rows_fetched": report.rows_fetched,
        "rows_changed": report.rows_changed,
        "rows_closed": report.rows_closed,
        "rows_rejected": report.rows_rejected,
        "quota_remaining": done.get("quota_remaining"),
        "incomplete_reason": done.get("incomplete_reason"),
        "interval_seconds": header.interval_seconds,
        "unknown_fields": json.dumps(run.unknown_fields) if run.unknown_fields else None,
        "request_id": done.get("request_id"),
    }
    marks = ", ".join("?" for _ in fields)
    db.execute(
        f"INSERT INTO store.run (run_key, {', '.join(fields)}) VALUES (getvariable('run_key'), {marks})",  # noqa: S608
        list(fields.values()),
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


def _number(db: duckdb.DuckDBPyConnection, query: str) -> int:
    return int(db.execute(query).fetchall()[0][0])
