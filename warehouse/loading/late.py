"""Compute the history of quotes anew whose observations were not loaded in the order of their times."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import duckdb
import polars as pl

from warehouse.landing.inventory import list_landings
from warehouse.landing.ndjson import RowParser
from warehouse.loading.landed_rows import LandedRows
from warehouse.loading.late_quotes import LateQuote, read_late_quotes
from warehouse.loading.run import fetch_count, run_step
from warehouse.loading.staging import stage_frame
from warehouse.loading.timeline import SECOND, Timeline
from warehouse.loading.verdicts import Verdicts
from warehouse.sealing.months import reopen_months
from warehouse.sealing.observed_items import view_items

CHANGE_SCHEMA: Final[dict[str, Any]] = {
    "quote_key": pl.Int64, "valid_from": pl.Int64, "run_key": pl.Int32,
    "lowest_ask": pl.Int64, "price": pl.Decimal(20, 8), "quantity": pl.Int64,
    "changed_at": pl.Int64, "last_updated": pl.Int64,
}  # fmt: skip
QUOTE_SCHEMA: Final[dict[str, Any]] = {
    **CHANGE_SCHEMA, "url": pl.String, "seen_at": pl.Int64, "fresh_until": pl.Int64,
    "row_at": pl.Int64, "unconfirmed_at": pl.Int64, "missed_since": pl.Int64, "missed_runs": pl.Int32,
}  # fmt: skip
CLOSED: Final = (None, None, 0, None, None)
Row = tuple[Any, ...]


def recompute_late_quotes(db: duckdb.DuckDBPyConnection, landings: Path, row_parser: RowParser) -> None:
    """Create the tables that load/insert_late_quotes.sql reads, for the quotes in late_quote.

    What the run lacks of these quotes is added to missing_count. A row that was no change when it was loaded,
    and is one now, is read from its landing in the folder `landings`; where that is gone, it counts as a
    repetition of the row before it.
    """
    landed_runs = [folder.name for folder in list_landings(landings)]
    db.execute("SET VARIABLE landed_runs = ?::VARCHAR[]", [landed_runs])
    run_step(db, "load/find_late_from")
    if fetch_count(db, "SELECT count(*) FROM late_key"):
        ((late_from,),) = db.execute("SELECT getvariable('late_from')").fetchall()
        reopen_months(db, late_from)
    _view_items(db)
    run_step(db, "load/collect_late_events")
    run_key = fetch_count(db, "SELECT getvariable('run_key')")
    quotes, verdicts = read_late_quotes(db), Verdicts.read(db)
    landed = LandedRows(db, landings, row_parser)
    doubtful = [quote for quote in quotes.values() if quote.may_be_missing()]
    verdicts.leave_out(doubtful, run_key)
    verdicts.decide(doubtful)
    timelines = {key: quote.compute_timeline(verdicts.held) for key, quote in quotes.items()}
    while completed := landed.complete(quotes, timelines):
        stale = quotes if verdicts.decide(doubtful) else completed
        timelines |= {key: quotes[key].compute_timeline(verdicts.held) for key in stale}
    verdicts.write(db)
    changes: list[Row] = []
    rows: list[Row] = []
    for key, timeline in timelines.items():
        quote = quotes[key]
        changes += ((key, *change[:2], *(change.state or CLOSED)) for change in timeline.changes)
        position = (timeline.valid_from, timeline.state_run, *(timeline.state or CLOSED), quote.url)
        rows.append((key, *position, *_find_confirmation(quote, timeline, verdicts.held[quote.book_key])))
    stage_frame(db, "recomputed_change", pl.DataFrame(changes, schema=CHANGE_SCHEMA, orient="row"))
    stage_frame(db, "recomputed_quote", pl.DataFrame(rows, schema=QUOTE_SCHEMA, orient="row"))
    run_step(db, "load/find_recomputed_doubts")
    _view_items(db)


def _view_items(db: duckdb.DuckDBPyConnection) -> None:
    ((items_from,),) = db.execute("SELECT getvariable('items_from')").fetchall()
    view_items(db, items_from)


def _find_confirmation(quote: LateQuote, timeline: Timeline, held_runs: set[int]) -> Row:
    """Return the last fields of QUOTE_SCHEMA, from seen_at on."""
    confirmed = [
        (row.at if row.run_key in held_runs else row.confirmed_to, row.interval_seconds)
        for row in quote.sightings
    ]
    seen_at = max((at for at, _ in confirmed), default=None)
    fresh = [at + 3 * interval * SECOND for at, interval in confirmed if interval is not None]
    unconfirmed_at = timeline.unconfirmed_at
    if unconfirmed_at is not None and timeline.seen_at is not None and unconfirmed_at <= timeline.seen_at:
        unconfirmed_at = None
    return (
        seen_at, max(fresh, default=None), timeline.seen_at,
        unconfirmed_at, timeline.missed_since, len(timeline.missed_runs),
    )  # fmt: skip
