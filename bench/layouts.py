"""Compare the layouts that a sealed month could have, by its bytes a row and the time to read it.

    python -m bench.layouts FILE.parquet [--rounds 5]

FILE is the file of a sealed month, in the folder `sealed` beside a database. Its rows are written again in
each layout, and read: those of one item, and all of them.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import duckdb

from bench.market import time_query
from warehouse.database import quote_path
from warehouse.sealing.files import FORMAT, ORDER

BY_TIME: Final = "valid_from, item_key, provider_key, currency, delivery"
# The order of the rows and the format of the file, by the layout's name.
LAYOUTS: Final[Mapping[str, tuple[str, str]]] = {
    "as sealed: by item, zstd": (ORDER, FORMAT),
    "by time, zstd": (BY_TIME, FORMAT),
    "by item, snappy": (ORDER, FORMAT.replace("zstd", "snappy")),
    "by item, not compressed": (ORDER, FORMAT.replace("zstd", "uncompressed")),
    "by item, zstd, the encodings of Parquet 1": (ORDER, FORMAT.replace("V2", "V1")),
    "by item, zstd, groups of 20,480 rows": (ORDER, FORMAT.replace("122880", "20480")),
    "by item, zstd, groups of 1,048,576 rows": (ORDER, FORMAT.replace("122880", "1048576")),
    "by time, a table of DuckDB": (BY_TIME, ""),
    "by item, a table of DuckDB": (ORDER, ""),
}
ITEM: Final = "SELECT item_key FROM {} GROUP BY item_key ORDER BY count(*) DESC, item_key LIMIT 1"


def main() -> None:
    """Print a row of a table for each layout."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("file", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    source = f"read_parquet({quote_path(arguments.file)})"
    print("| layout | bytes a row | one item | all rows |\n|---|---|---|---|")
    with tempfile.TemporaryDirectory(prefix="floorline-bench-") as folder:
        for number, (name, (order, parquet)) in enumerate(LAYOUTS.items()):
            path = Path(folder) / f"{number}"
            rows = _write(path, f"FROM {source} ORDER BY {order}", parquet)
            one, everything = _read(path, parquet, arguments.rounds)
            size = path.stat().st_size / rows
            print(f"| {name} | {size:.1f} | {1_000 * one:.1f} ms | {1_000 * everything:.0f} ms |", flush=True)


def _write(path: Path, query: str, parquet: str) -> int:
    """Write the rows of a query into a Parquet file, or a database; return their number."""
    with duckdb.connect() as db:
        if parquet:
            return int(db.execute(f"COPY ({query}) TO {quote_path(path)} ({parquet})").fetchall()[0][0])
        db.execute(f"ATTACH {quote_path(path)} AS target")
        ((rows,),) = db.execute(f"CREATE TABLE target.state AS {query}").fetchall()
        return int(rows)


def _read(path: Path, parquet: str, rounds: int) -> tuple[float, float]:
    """Return the seconds, medians, to read one item and all rows."""
    with duckdb.connect() as db:
        table = f"read_parquet({quote_path(path)})" if parquet else "target.state"
        if not parquet:
            db.execute(f"ATTACH {quote_path(path)} AS target (READ_ONLY)")
        ((item,),) = db.execute(ITEM.format(table)).fetchall()
        questions = (f"FROM {table} WHERE item_key = {item}", f"SELECT max(columns(*)) FROM {table}")
        one, everything = (
            statistics.median(time_query(db, question) for _ in range(rounds)) for question in questions
        )
        return one, everything


if __name__ == "__main__":
    main()
