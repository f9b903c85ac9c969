"""Merge the file of a stream into DuckDB with dlt, as its documentation does it.

    python dlt_stream.py FILE.ndjson.gz FOLDER

The first file fills the table; a second one is merged by (provider, item_id).
"""

from __future__ import annotations

import gzip
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dlt  # type: ignore[import-not-found, unused-ignore]

BATCH_ROWS = 10_000


def main() -> None:
    """Print the seconds and the rows."""
    path, folder = Path(sys.argv[1]), Path(sys.argv[2])
    began = time.perf_counter()
    pipeline = dlt.pipeline(
        pipeline_name="stream",
        pipelines_dir=str(folder),
        destination=dlt.destinations.duckdb(str(folder / "dlt.duckdb")),
        dataset_name="market",
    )
    pipeline.run(_quotes_resource(path))
    seconds = time.perf_counter() - began
    with pipeline.sql_client() as client:
        rows = client.execute_sql("SELECT count(*) FROM quotes")[0][0]
    sys.stdout.write(json.dumps({"seconds": seconds, "rows": rows}) + "\n")


def _quotes_resource(path: Path) -> Any:
    def quotes() -> Iterator[list[dict[str, Any]]]:
        with gzip.open(path, "rb") as lines:
            batch = []
            for line in lines:
                batch.append(json.loads(line))
                if len(batch) == BATCH_ROWS:
                    yield batch
                    batch = []
            yield batch

    key = ("provider", "item_id")
    return dlt.resource(quotes, name="quotes", write_disposition="merge", primary_key=key)


if __name__ == "__main__":
    main()
