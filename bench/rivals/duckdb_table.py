"""The floor: DuckDB reads the file of a stream into a new table of a new database, committed and closed.

    python -m bench.rivals.duckdb_table FILE.ndjson.gz FOLDER PRECISION

The decimal string becomes DECIMAL(PRECISION, 8): 20 holds every price; 18 is four times as fast to cast, but
fails at 10^10.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import duckdb

COLUMNS = {
    "provider": "VARCHAR", "item_id": "BIGINT", "market_hash_name": "VARCHAR", "phase": "VARCHAR",
    "lowest_ask": "BIGINT", "lowest_ask_decimal": "DECIMAL({}, 8)", "quantity": "BIGINT", "link": "VARCHAR",
    "url": "VARCHAR", "timestamp": "TIMESTAMPTZ", "last_updated": "TIMESTAMPTZ",
}  # fmt: skip


def main() -> None:
    """Print the seconds and the rows."""
    path, folder, precision = sys.argv[1:4]
    database = Path(folder) / "table.duckdb"
    database.unlink(missing_ok=True)
    fields = ", ".join(f"{name}: '{kind.format(precision)}'" for name, kind in COLUMNS.items())
    began = time.perf_counter()
    with duckdb.connect(str(database)) as connection:
        ((rows,),) = connection.execute(
            f"CREATE TABLE quotes AS FROM read_json(?, format = 'newline_delimited', columns = {{{fields}}})",
            [path],
        ).fetchall()
    print(json.dumps({"seconds": time.perf_counter() - began, "rows": rows}))


if __name__ == "__main__":
    main()
