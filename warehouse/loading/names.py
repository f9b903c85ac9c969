"""Give keys to the items and providers that a landing names."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

import duckdb

from warehouse.loading.run import fetch_count, run_step
from warehouse.sealing.observed_items import view_items
from warehouse.transactions import transaction

FIRST_NAMED: Final = "SELECT min(named_at) FROM named_item"
NEVER: Final = datetime.max.replace(tzinfo=UTC)
COUNT_FOUND_AGGREGATES: Final = "SELECT count(*) FROM found_aggregate"


def assign_keys(db: duckdb.DuckDBPyConnection) -> None:
    """Give keys to the names in named_item and named_provider; see load/assign_keys.sql.

    Raises SealedMonthUnreadable where this needs a file of observed items that is missing: of the time since
    the first name was observed, and, where an item turns out to be an aggregate of phases, of all time.
    """
    ((first_named,),) = db.execute(FIRST_NAMED).fetchall()
    view_items(db, first_named or NEVER)
    run_step(db, "load/assign_keys")
    if fetch_count(db, COUNT_FOUND_AGGREGATES):
        view_items(db)
        with transaction(db):
            run_step(db, "load/insert_found_aggregates")
    run_step(db, "load/group_items")
