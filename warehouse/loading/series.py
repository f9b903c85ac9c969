"""Loading a landing of series: points, candles and sales; the SQL files in sql/load_series are its steps.

Loading the same landing twice changes nothing, and any order of landings gives the same tables.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

import duckdb
import polars as pl
import pyarrow as pa

from warehouse.database import SQL
from warehouse.landing.arrow import MOMENT, TEXT
from warehouse.landing.reader import LandedRun
from warehouse.landing.series import SCHEMAS, LandedSeries, read_series
from warehouse.loading.run import LoadReport, _set_variables, _transaction, _write_run
from warehouse.loading.staging import stage_frame

# What a page says once for all of its rows; `part` is the shard's place in the landing.
EXTRA_FIELDS = (pa.field("currency", TEXT), pa.field("observed_at", MOMENT), pa.field("part", pa.int32()))
PART_SCHEMA: dict[str, Any] = {
    "part": pl.Int32, "backfill_id": pl.String, "shard": pl.Int32,
    "cursor": pl.String, "next_cursor": pl.String,
}  # fmt: skip
REJECT_SCHEMA: dict[str, Any] = {
    "reject_id": pl.String, "currency": pl.String, "provider": pl.String,
    "observed_at": pl.Datetime("us", "UTC"), "reason": pl.String, "raw": pl.String,
}  # fmt: skip
# The rows that enter, by series, and how many of them say what the store did not.
STAGED_TABLES = {"points": "newer_point", "candles": "newer_candle", "sales": "more_sale"}


def load_series(db: duckdb.DuckDBPyConnection, run: LandedRun, now: datetime) -> LoadReport:
    """Load a landing that the database does not hold; its rows enter whole or not at all.

    `rows_changed` counts the rows that are new or say something else than those they replace. New names enter
    before the transaction: a name without a row is no half of a run. Raises Unreadable.
    """
    landed = [series for series in read_series(run.folder) if series.pages]
    present = sorted({series.header.series for series in landed})
    _set_variables(db, run)
    for name in present:
        _prepare(db, name, [series for series in landed if series.header.series == name])
    stage_frame(db, "reject", pl.DataFrame(list(_rejects(landed)), schema=REJECT_SCHEMA, orient="row"))
    with _transaction(db):
        for name in present:
            _step(db, f"load_series/3_{name}")
        _step(db, "load_series/4_rejects")
        report = _report(db, run, landed)
        _write_run(db, run, report, now)
    return report


def _prepare(db: duckdb.DuckDBPyConnection, name: str, landed: Sequence[LandedSeries]) -> None:
    """Work out in temporary tables what one series of a landing changes."""
    schema = pa.schema([*SCHEMAS[name], *EXTRA_FIELDS])
    db.register("staged", pa.RecordBatchReader.from_batches(schema, _rows(schema, landed)))
    db.execute("CREATE OR REPLACE TEMP TABLE brought AS FROM staged")
    db.unregister("staged")
    stage_frame(
        db, "part", pl.DataFrame([_part(series) for series in landed], schema=PART_SCHEMA, orient="row")
    )
    for step in ("load/0_begin", "load_series/1_names", "load/2_dimensions", f"load_series/2_{name}"):
        _step(db, step)


def _rows(schema: pa.Schema, landed: Sequence[LandedSeries]) -> Iterator[pa.RecordBatch]:
    for series in landed:
        for mark, batch in series.batches():
            said = (series.header.currency, mark.observed_at, series.header.number)
            added = [
                pa.repeat(pa.scalar(value, field.type), len(batch))
                for value, field in zip(said, EXTRA_FIELDS, strict=True)
            ]
            yield pa.RecordBatch.from_arrays([*batch.columns, *added], schema=schema)


def _part(series: LandedSeries) -> tuple[object, ...]:
    header, pages = series.header, series.pages
    return (header.number, header.backfill_id, header.shard, pages[0].cursor, pages[-1].next_cursor)


def _rejects(landed: Sequence[LandedSeries]) -> Iterator[tuple[object, ...]]:
    for series in landed:
        header = series.header
        for reject_id, mark, reason, raw in series.rejects():
            yield reject_id, header.currency, header.provider, mark.observed_at, reason, raw


def _report(db: duckdb.DuckDBPyConnection, run: LandedRun, landed: Sequence[LandedSeries]) -> LoadReport:
    present = {series.header.series for series in landed}
    counts = [f"SELECT count(*) FILTER (fresh) FROM {STAGED_TABLES[name]}" for name in present]  # noqa: S608
    return LoadReport(
        run_id=run.header.run_id,
        source=run.header.source,
        basket=run.header.basket,
        state=run.done["state"],
        rows_fetched=sum(mark.rows for series in landed for mark in series.pages),
        rows_changed=sum(db.execute(count).fetchall()[0][0] for count in counts),
        rows_rejected=sum(len(mark.rejects) for series in landed for mark in series.pages),
    )


def _step(db: duckdb.DuckDBPyConnection, name: str) -> None:
    db.execute((SQL / f"{name}.sql").read_text())
