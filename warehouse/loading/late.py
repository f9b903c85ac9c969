"""Compute the history of quotes anew whose observations were not loaded in the order of their times."""

from __future__ import annotations

from collections.abc import Sequence
from operator import itemgetter
from typing import Any, Final

import duckdb
import polars as pl

from warehouse.loading.late_quotes import LateQuote, read_late_quotes, to_state
from warehouse.loading.run import fetch_count, run_step
from warehouse.loading.staging import stage_frame
from warehouse.loading.timeline import SECOND, State, Timeline
from warehouse.loading.verdicts import Verdicts

CHANGE_SCHEMA: Final[dict[str, Any]] = {
    "quote_key": pl.Int64, "valid_from": pl.Int64, "run_key": pl.Int32,
    "lowest_ask": pl.Int64, "price": pl.Decimal(20, 8), "quantity": pl.Int64,
    "changed_at": pl.Int64, "last_updated": pl.Int64,
}  # fmt: skip
QUOTE_SCHEMA: Final[dict[str, Any]] = {
    **CHANGE_SCHEMA, "url": pl.String, "seen_at": pl.Int64, "fresh_until": pl.Int64,
    "unconfirmed_at": pl.Int64, "missed_since": pl.Int64, "missed_runs": pl.Int32,
}  # fmt: skip
CLOSED: Final = (None, None, 0, None, None)
SELECT_CURRENT: Final = """
SELECT quote_key, run_key, epoch_us(valid_from), lowest_ask, store.price_by(other_price, lowest_ask),
    quantity, epoch_us(changed_at), epoch_us(last_updated)
FROM store.current SEMI JOIN late_key USING (quote_key)
"""
Row = tuple[Any, ...]


def recompute_late_quotes(db: duckdb.DuckDBPyConnection) -> None:
    """Create the tables that load/insert_late_quotes.sql reads, for the quotes in late_quote.

    What the run lacks of these quotes is added to missing_count.
    """
    run_step(db, "load/collect_late_events")
    run_key = fetch_count(db, "SELECT getvariable('run_key')")
    quotes, verdicts = read_late_quotes(db), Verdicts.read(db)
    verdicts.decide(quotes.values(), run_key)
    verdicts.write(db)
    current = {key: values for key, *values in db.execute(SELECT_CURRENT).fetchall()}
    rows: list[Row] = []
    changes: list[Row] = []
    for key, quote in quotes.items():
        timeline = quote.compute_timeline(verdicts.held)
        changes += ((key, *change[:2], *(change.state or CLOSED)) for change in timeline.changes)
        position = _find_position(quote, timeline, current.get(key), run_key=run_key)
        rows.append((key, *position, *_find_confirmation(quote, timeline, verdicts.held[quote.book_key])))
    stage_frame(db, "recomputed_change", pl.DataFrame(changes, schema=CHANGE_SCHEMA, orient="row"))
    stage_frame(db, "recomputed_quote", pl.DataFrame(rows, schema=QUOTE_SCHEMA, orient="row"))


def _find_position(
    quote: LateQuote, timeline: Timeline, current: Sequence[Any] | None, *, run_key: int
) -> Row:
    """Return valid_from, run_key, the fields of the state and the URL of a quote as it is now."""
    state, state_run = timeline.state, timeline.state_run
    if current is not None:
        stored_run, stored_from, *values = current
        answer = to_state(values)
        state_run = stored_run if state_run is None else state_run
        last = max(quote.sightings, key=itemgetter(0, 1), default=None)
        if state is not None and answer is not None and quote.converted and last and last.run_key != run_key:
            # The store has the last answer of a converted price; a sighting without a state has not.
            same_change = timeline.valid_from == stored_from
            state, state_run = _with_latest_time(answer, state, same_change=same_change), stored_run
    url = max(((row.at, row.url) for row in quote.sightings if row.url is not None), default=(0, None))[1]
    return (timeline.valid_from, state_run, *(state or CLOSED), url)


def _with_latest_time(answer: State, state: State, *, same_change: bool) -> State:
    times = [at for at in (state.changed_at, answer.changed_at if same_change else None) if at is not None]
    return answer._replace(changed_at=max(times, default=None))


def _find_confirmation(quote: LateQuote, timeline: Timeline, held_runs: set[int]) -> Row:
    """Return seen_at, fresh_until, unconfirmed_at, missed_since and missed_runs of a quote."""
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
        seen_at, max(fresh, default=None), unconfirmed_at, timeline.missed_since, len(timeline.missed_runs),
    )  # fmt: skip
