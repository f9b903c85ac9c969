"""The short script that somebody writes by hand: fetch the stream, merge it, keep what changed, publish.

It knows one source and one currency, and trusts the response: no retries, no rate limit, no damaged file,
no row of another shape, no other writer. A quote that the stream no longer brings gets the quantity 0.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import duckdb
import httpx

TABLES = """
CREATE TABLE IF NOT EXISTS quotes (
    provider VARCHAR, item_id BIGINT, market_hash_name VARCHAR, phase VARCHAR, lowest_ask BIGINT,
    price DECIMAL(20, 8), quantity BIGINT, changed_at TIMESTAMPTZ, last_updated TIMESTAMPTZ
);
CREATE TABLE IF NOT EXISTS history AS FROM quotes LIMIT 0;
"""
READ_STREAM = """
CREATE OR REPLACE TEMP TABLE stream AS
SELECT provider, item_id, market_hash_name, phase, lowest_ask, lowest_ask_decimal AS price, quantity,
    timestamp AS changed_at, last_updated
FROM read_json(?, format = 'newline_delimited', columns = {
    provider: 'VARCHAR', item_id: 'BIGINT', market_hash_name: 'VARCHAR', phase: 'VARCHAR',
    lowest_ask: 'BIGINT', lowest_ask_decimal: 'DECIMAL(20, 8)', quantity: 'BIGINT',
    timestamp: 'TIMESTAMPTZ', last_updated: 'TIMESTAMPTZ'
})
"""
FIND_CHANGES = """
CREATE OR REPLACE TEMP TABLE change AS
FROM stream s SELECT s.*
WHERE NOT EXISTS (
    FROM quotes q WHERE q.provider = s.provider AND q.item_id = s.item_id
        AND q.phase IS NOT DISTINCT FROM s.phase AND q.price = s.price AND q.quantity = s.quantity
)
UNION ALL
FROM quotes q SELECT * REPLACE (0 AS quantity)
WHERE q.quantity > 0 AND NOT EXISTS (
    FROM stream s WHERE s.provider = q.provider AND s.item_id = q.item_id
        AND s.phase IS NOT DISTINCT FROM q.phase
)
"""
MERGE_CHANGES = """
MERGE INTO quotes q USING change c
ON q.provider = c.provider AND q.item_id = c.item_id AND q.phase IS NOT DISTINCT FROM c.phase
WHEN MATCHED THEN UPDATE
WHEN NOT MATCHED THEN INSERT
"""


def take_snapshot(url: str, key: str, folder: Path) -> tuple[int, int]:
    """Take one snapshot; return how many rows the stream had, and how many quotes changed."""
    spool, database = folder / "stream.ndjson.gz", folder / "writer.duckdb"
    headers = {"Authorization": f"Bearer {key}", "Accept-Encoding": "gzip"}
    with (
        httpx.stream("POST", f"{url}/v1/prices", headers=headers, timeout=120) as response,
        spool.open("wb") as file,
    ):
        response.raise_for_status()
        file.writelines(response.iter_raw())
    with duckdb.connect(str(database)) as db:
        db.execute(TABLES)
        db.execute("BEGIN")
        ((rows,),) = db.execute(READ_STREAM, [str(spool)]).fetchall()
        ((changed,),) = db.execute(FIND_CHANGES).fetchall()
        db.execute("INSERT INTO history FROM change")
        db.execute(MERGE_CHANGES)
        db.execute("COMMIT")
    partial = folder / "market.duckdb.partial"
    shutil.copyfile(database, partial)
    partial.replace(folder / "market.duckdb")
    return rows, changed
