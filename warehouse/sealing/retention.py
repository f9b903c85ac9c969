"""Delete the history that is older than the configuration keeps, by whole months.

What was best at each moment stays: `best_ask_history`, and with it `best_ask_daily_ohlc` and `movers`. These
rows are few. The days of each marketplace (`daily_ohlc`) would be more rows than the history itself: most
asks of a day do not change.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

import duckdb

from warehouse.migration import update_history
from warehouse.sealing.parts import delete_months
from warehouse.transactions import transaction
from warehouse.views.quote_states import find_quote_states
from warehouse.views.sealed_files import next_month, start_of

SELECT_STATES: Final = """
SELECT (SELECT count(*) FROM store.history WHERE valid_to < $since)
    + (SELECT coalesce(sum(ended), 0)::BIGINT FROM store.sealed_month WHERE month < $month)
"""
# What runs returned is kept for a month more: a landing that comes late may need what came before it.
DELETE_SEALED_ITEMS: Final = "DELETE FROM store.sealed_items WHERE month < $month::DATE - INTERVAL 1 MONTH"
DELETE_ITEMS: Final = "DELETE FROM store.observed_items WHERE observed_at < $since - INTERVAL 1 MONTH"

DELETE_REMOVALS: Final = "DELETE FROM store.removal WHERE removed_at < $since - INTERVAL 1 MONTH"


def delete_history(db: duckdb.DuckDBPyConnection, now: datetime, keep: timedelta) -> int:
    """Delete the states that ended before the month which lies `keep` ago; return how many.

    The files of sealed months stay until `remove_unused_files` deletes them. Call it under the writer's lock.
    """
    kept = find_quote_states(db)
    kept_from = kept.kept_from
    since = start_of((now - keep).date())
    since = max(since, kept_from or since)
    parameters = {"since": since, "month": since.date()}
    ((states,),) = db.execute(SELECT_STATES, parameters).fetchall()
    if not states:
        return 0
    with transaction(db):
        # Those that replace a state are needed as long as this state is there.
        db.execute("DELETE FROM store.filled_state WHERE valid_to < ? AND NOT replaces", [since])
        db.execute("DELETE FROM store.sealed_month WHERE month < ?", [since.date()])
        if parts := [part for part in kept.parts if part.month < since]:
            delete_months(db, parts)
        db.execute(DELETE_SEALED_ITEMS, {"month": since.date()})
        db.execute(DELETE_ITEMS, {"since": since})
        db.execute(DELETE_REMOVALS, {"since": since})
        db.execute("DELETE FROM store.kept_history")
        db.execute("INSERT INTO store.kept_history VALUES (?)", [since])
        update_history(db)
    # Of many months, one transaction takes more memory than a loader has.
    ((first,),) = db.execute("SELECT min(valid_to) FROM store.history").fetchall()
    end = start_of(first.date()) if first is not None else since
    while end < since:
        end = next_month(end)
        with transaction(db):
            db.execute("DELETE FROM store.history WHERE valid_to < ?", [end])
    return int(states)
