"""Walk the catalog with dlt's rest_api source into DuckDB, as its documentation does it.

    python dlt_walk.py URL FOLDER PROVIDER...

One resource for each marketplace, several fetched at once, all into one new table. `replace` is the cheapest
way of dlt to store them: it compares nothing and keeps no history.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

import dlt  # type: ignore[import-not-found, unused-ignore]
from dlt.sources.rest_api import (  # type: ignore[import-not-found, unused-ignore]
    rest_api_source,
)


def main() -> None:
    """Print the seconds and the rows."""
    url, folder, providers = sys.argv[1], Path(sys.argv[2]), sys.argv[3:]
    began = time.perf_counter()
    pipeline = dlt.pipeline(
        pipeline_name="walk",
        pipelines_dir=str(folder),
        destination=dlt.destinations.duckdb(str(folder / "dlt.duckdb")),
        dataset_name="market",
    )
    paginator = {"type": "offset", "limit": 1_000, "total_path": "pagination.total"}
    resources = [
        {
            "name": provider,
            "table_name": "quotes",
            "write_disposition": "replace",
            "parallelized": True,
            "endpoint": {"path": "prices", "params": {"providers": provider}, "data_selector": "items"},
        }
        for provider in providers
    ]
    client = {
        "base_url": f"{url}/v1/",
        "auth": {"type": "bearer", "token": os.environ["BENCH_KEY"]},
        "paginator": paginator,
    }
    pipeline.run(rest_api_source({"client": client, "resources": resources}))
    seconds = time.perf_counter() - began
    with pipeline.sql_client() as sql:
        rows = sql.execute_sql("SELECT count(*) FROM quotes")[0][0]
    sys.stdout.write(json.dumps({"seconds": seconds, "rows": rows}) + "\n")


if __name__ == "__main__":
    main()
