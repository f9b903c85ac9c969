"""Sealed months of generated states, which make a warehouse as large as years of busy markets do."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

import duckdb

from bench.market import ITEMS
from bench.suite.measurement import log
from warehouse.database import open_writer, quote_path, writer_lock
from warehouse.migration import update_history
from warehouse.paths import WarehousePaths
from warehouse.sealing.files import FORMAT
from warehouse.transactions import transaction
from warehouse.views.quote_states import find_sealed_folder
from warehouse.views.sealed_files import next_month

ROWS: Final = 40_000_000  # of a month: about a gigabyte
FIRST_STATE: Final = """
SELECT date_trunc('month', min(valid_from))
FROM (SELECT valid_from FROM store.history UNION ALL SELECT valid_from FROM store.current)
"""
# In the order of the items, as sealing sorts them. Times and prices are random: nothing packs them.
STATES: Final = """
SELECT (i * $items // $rows + 1)::INTEGER AS item_key, (1 + hash(i, 1) % 41)::INTEGER AS provider_key,
    'USD' AS currency, 'standard' AS delivery, (hash(i, 2) % 1000000)::BIGINT AS lowest_ask,
    NULL::DECIMAL(20, 8) AS other_price, (hash(i, 3) % 50)::BIGINT AS quantity,
    valid_from - INTERVAL 1 MINUTE AS changed_at, valid_from - INTERVAL 1 SECOND AS last_updated, valid_from,
    valid_from + to_microseconds((1 + hash(i, 5) % 3600000000)::BIGINT) AS valid_to, 1::INTEGER AS run_key
FROM (
    SELECT i, $start + to_microseconds((hash(i, 4) % (26::UBIGINT * 86400000000))::BIGINT) AS valid_from
    FROM range($rows) t(i)
)
"""


def add_sealed_months(paths: WarehousePaths, months: int) -> int:
    """Add so many sealed months before the history of a warehouse; return the bytes of their files."""
    with writer_lock(paths, 0), open_writer(paths.writer) as db:
        ((first,),) = db.execute(FIRST_STATE).fetchall()
        sizes = [_add_month(db, start) for start in _months_before(first, months)]
        with transaction(db):
            update_history(db)
    return sum(sizes)


def _months_before(first: datetime, months: int) -> list[datetime]:
    """Return the starts of so many months before the month that starts at `first`."""
    starts = [first]
    while len(starts) <= months:
        starts.append((starts[-1] - timedelta(days=1)).replace(day=1))
    return starts[:0:-1]


def _add_month(db: duckdb.DuckDBPyConnection, start: datetime) -> int:
    """Write the states of a month into a file; return its bytes."""
    assert next_month(start) > start + timedelta(days=26, hours=1)
    folder = find_sealed_folder(db)
    folder.mkdir(mode=0o700, exist_ok=True)
    file = folder / f"{start:%Y-%m}.parquet"
    with duckdb.connect() as generator:
        generator.execute("SET TimeZone = 'UTC'")
        values = {"items": ITEMS, "rows": ROWS, "start": start}
        generator.execute(f"COPY ({STATES}) TO {quote_path(file)} ({FORMAT})", values)
    size = file.stat().st_size
    month = [start.date(), file.name, ROWS, ROWS, size, "", start]
    db.execute("INSERT INTO store.sealed_month VALUES (?, ?, ?, ?, ?, ?, ?)", month)
    log(f"sealed month {start:%Y-%m}: {size:,} bytes")
    return size
