"""Keep store.best_ask_history and store.best_ask_current: the best ask of each item over time.

Whatever changes an ask names the item in store.stale_best_ask, in the same transaction or before it.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib import resources
from typing import Final

import duckdb

from common.warehouse_errors import SealedMonthUnreadable
from warehouse.transactions import transaction
from warehouse.views.definitions import DATED_QUOTES
from warehouse.views.quote_states import find_quote_states

LOAD: Final = resources.files("warehouse") / "sql" / "load"
ANY_DOUBTFUL: Final = "FROM doubtful_provider LIMIT 1"
NO_DOUBTS: Final = "CREATE OR REPLACE TEMP TABLE doubtful_ask AS FROM store.current LIMIT 0"
ANY_LAPSE: Final = "SELECT 1 FROM doubtful_ask UNION ALL SELECT 1 FROM store.lapsed_quote LIMIT 1"
ANY_STALE: Final = "FROM store.stale_best_ask LIMIT 1"
# What was best before the states that are left stays as it was.
KEEP_DELETED: Final = """
UPDATE store.stale_best_ask s SET since = k.since FROM store.kept_history k WHERE s.since < k.since
"""
ANY_DELETED: Final = "FROM was_best LIMIT 1"
FORGET_STALE: Final = "DELETE FROM store.stale_best_ask WHERE since >= getvariable('readable_from')"
ANY_FILLED: Final = "SELECT 1 FROM store.filled_state LIMIT 1"
# DuckLake asks PostgreSQL about each column of a table, wherever a query names one that never had rows.
VIEW_FILLED: Final = "CREATE OR REPLACE TEMP VIEW filled_state AS FROM store.filled_state"
VIEW_NONE: Final = f"{VIEW_FILLED} LIMIT 0"
EARLIEST: Final = "SELECT nullif(min(since), '-infinity') FROM store.stale_best_ask"


def update_best_asks(db: duckdb.DuckDBPyConnection) -> None:
    """Work out the best ask anew of the items in store.stale_best_ask, and of those with asks that lapsed.

    Call this function in the transaction that changed the asks, after all that it changes and after
    `view_filled_states`. Where the file of a sealed month is missing, what changed before the open month
    waits for it.
    """
    for _ in _update_batches(db):
        pass


def update_stale_best_asks(db: duckdb.DuckDBPyConnection) -> None:
    """Work out what a migration or a load that failed has left in store.stale_best_ask.

    Each batch has a transaction, because a long history in one takes more memory than the writer has.
    """
    if not db.execute(ANY_STALE).fetchall():
        return
    view_filled_states(db)
    batches = _update_batches(db)
    more = True
    while more:
        with transaction(db):
            more = next(batches, None) is not None


def _update_batches(db: duckdb.DuckDBPyConnection) -> Iterator[int]:
    """Yield the number of each batch of items once their best ask is up to date."""
    _run_step(db, "find_doubtful_providers")
    if db.execute(ANY_DOUBTFUL).fetchall():
        _run_step(db, "find_doubtful_asks")
    else:
        db.execute(NO_DOUBTS)
    if db.execute(ANY_LAPSE).fetchall():
        db.execute(f"CREATE OR REPLACE TEMP VIEW dated_ask AS {DATED_QUOTES.format(quotes='doubtful_ask')}")
        _run_step(db, "find_lapsed_quotes")
    if not db.execute(ANY_STALE).fetchall():
        return
    db.execute(KEEP_DELETED)
    _view_states(db)
    _run_step(db, "find_stale_best_asks")
    ((batches,),) = db.execute("SELECT getvariable('batches')").fetchall()
    for batch in range(batches):
        db.execute("SET VARIABLE batch = ?", [batch])
        _run_step(db, "find_best_asks")
        if db.execute(ANY_DELETED).fetchall():
            _run_step(db, "delete_best_asks")
        _run_step(db, "update_best_asks")
        yield batch
    db.execute(FORGET_STALE)  # those of which no quote is known, too


def view_filled_states(db: duckdb.DuckDBPyConnection) -> None:
    """Create the view filled_state: the states that points show in coverage gaps."""
    db.execute(VIEW_FILLED if db.execute(ANY_FILLED).fetchall() else VIEW_NONE)


def _view_states(db: duckdb.DuckDBPyConnection) -> None:
    """Create the view ended_state: it has all states that ended after the variable readable_from."""
    readable_from = "-infinity"
    ((earliest,),) = db.execute(EARLIEST).fetchall()
    states = find_quote_states(db).since(earliest)
    try:
        states.require_files()
    except SealedMonthUnreadable:
        readable_from = str(states.open_from)
        states = states.since(states.open_from)
    db.execute(f"CREATE OR REPLACE TEMP VIEW ended_state AS {states.ended}")
    db.execute("SET VARIABLE readable_from = ?::TIMESTAMPTZ", [readable_from])


def _run_step(db: duckdb.DuckDBPyConnection, name: str) -> None:
    db.execute((LOAD / f"{name}.sql").read_text())
