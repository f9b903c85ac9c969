"""Load one landing of series in one transaction; the steps are in sql/load_series.

Loading a landing twice changes nothing, and any order of landings gives the same tables.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

import duckdb
import polars as pl
import pyarrow as pa

from common.clock import MAX_CLOCK_SKEW
from warehouse.best_asks import update_best_asks, view_filled_states
from warehouse.landing.arrow import TEXT, TIMESTAMP
from warehouse.landing.reader import LandedRun
from warehouse.landing.series import SCHEMAS, LandedSeries, read_series
from warehouse.loading.landed_tables import register_batches
from warehouse.loading.names import assign_keys
from warehouse.loading.run import (
    LoadReport,
    fetch_count,
    fill_gaps,
    insert_run,
    judge_rejects,
    run_step,
    set_variables,
)
from warehouse.loading.staging import stage_frame
from warehouse.migration import update_history
from warehouse.transactions import transaction

# The columns that are the same for every row of a page; `part` is the number of the shard in this landing. A
# row of a time after `latest` lies ahead of the clock of the machine that fetched it.
EXTRA_FIELDS = (
    pa.field("currency", TEXT), pa.field("observed_at", TIMESTAMP), pa.field("latest", TIMESTAMP),
    pa.field("part", pa.int32()),
)  # fmt: skip
PART_SCHEMA: dict[str, Any] = {
    "part": pl.Int32, "backfill_id": pl.String, "shard": pl.Int32,
    "cursor": pl.String, "next_cursor": pl.String,
}  # fmt: skip
REJECT_SCHEMA: dict[str, Any] = {
    "reject_id": pl.String, "currency": pl.String, "provider": pl.String,
    "observed_at": pl.Datetime("us", "UTC"), "reason": pl.String, "raw": pl.String,
}  # fmt: skip
# The temporary table of each series with the rows to insert.
STAGED_TABLES = {
    "points": "newer_point",
    "candles": "newer_candle",
    "sales": "new_sale",
    "daily": "newer_daily_point",
}


def load_series(db: duckdb.DuckDBPyConnection, run: LandedRun, now: datetime) -> LoadReport:
    """Load a landing that the database does not hold, whole or not at all.

    `rows_changed` counts the rows that are new or differ from those that they replace. New items and
    providers are stored before the transaction: one without a row is no part of a run. Raises CorruptLanding.
    """
    shards = [shard for shard in read_series(run.folder) if shard.pages]
    kinds = sorted({shard.header.series for shard in shards})
    set_variables(db, run)
    stage_frame(db, "reject", pl.DataFrame(list(_rejects(shards)), schema=REJECT_SCHEMA, orient="row"))
    for kind in kinds:
        _prepare(db, kind, [shard for shard in shards if shard.header.series == kind])
    with transaction(db):
        for kind in kinds:
            run_step(db, f"load_series/insert_{kind}")
        run_step(db, "load_series/insert_rejects")
        run_step(db, "load_series/find_refills")
        fill_gaps(db)
        report = judge_rejects(db, run, _report(db, run, shards))
        insert_run(db, run, report, now=now)
        view_filled_states(db)
        update_best_asks(db)
        if "daily" in kinds:  # the first ones change the views
            update_history(db)
    return report


def _prepare(db: duckdb.DuckDBPyConnection, kind: str, shards: Sequence[LandedSeries]) -> None:
    """Work out in temporary tables what one kind of series changes."""
    schema = pa.schema([*SCHEMAS[kind], *EXTRA_FIELDS])
    with register_batches(db, schema, _batches(schema, shards)):
        db.execute("CREATE OR REPLACE TEMP TABLE staged_row AS FROM landed_row")
    run_step(db, "load_series/reject_rows_ahead")
    parts = [
        (s.header.number, s.header.backfill_id, s.header.shard, s.pages[0].cursor, s.pages[-1].next_cursor)
        for s in shards
    ]
    stage_frame(db, "part", pl.DataFrame(parts, schema=PART_SCHEMA, orient="row"))
    run_step(db, "load/create_load_tables")
    run_step(db, "load_series/collect_names")
    assign_keys(db)
    run_step(db, f"load_series/find_{kind}")


def _batches(schema: pa.Schema, shards: Sequence[LandedSeries]) -> Iterator[pa.RecordBatch]:
    for shard in shards:
        for meta, batch in shard.batches():
            latest = meta.landed_at + MAX_CLOCK_SKEW
            values = (shard.header.currency, meta.moment, latest, shard.header.number)
            extra = [
                pa.repeat(pa.scalar(value, field.type), len(batch))
                for value, field in zip(values, EXTRA_FIELDS, strict=True)
            ]
            yield pa.RecordBatch.from_arrays([*batch.columns, *extra], schema=schema)


def _rejects(shards: Sequence[LandedSeries]) -> Iterator[tuple[object, ...]]:
    for shard in shards:
        header = shard.header
        for reject_id, meta, reason, raw in shard.rejects():
            yield reject_id, header.currency, header.provider, meta.moment, reason, raw


def _report(db: duckdb.DuckDBPyConnection, run: LandedRun, shards: Sequence[LandedSeries]) -> LoadReport:
    tables = {STAGED_TABLES[shard.header.series] for shard in shards}
    pages = [meta for shard in shards for meta in shard.pages]
    return LoadReport(
        run_id=run.header.run_id,
        source=run.header.source,
        basket=run.header.basket,
        state=run.done["state"],
        rows_fetched=sum(meta.rows for meta in pages),
        rows_changed=sum(
            fetch_count(db, f"SELECT count(*) FILTER (changed) FROM {table}")  # noqa: S608 - our own names
            for table in tables
        ),
        rows_rejected=fetch_count(db, "SELECT count(*) FROM reject"),
    )
