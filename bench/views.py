"""Time queries over a whole market: 600,000 quotes of 36,000 items at 41 marketplaces.

    python -m bench.views [--rounds 7]

The quotes are generated, landed and loaded like those of a snapshot. The queries run on the published
database.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from bench.market import START, land_market, load_landing, make_catalogs, time_query
from bench.support import describe
from warehouse.database import open_reader
from warehouse.paths import WarehousePaths

QUERIES = {
    "best_ask": "FROM best_ask",
    "quotes": "FROM quotes",
    "quotes_in('EUR')": "FROM quotes_in('EUR')",
    "spreads, how many": "SELECT count(*) FROM spreads",
    "spreads of one item": "FROM spreads WHERE market_hash_name = 'AK-47 | Finish 77 (Field-Tested)'",
}


def main() -> None:
    """Load the market, run each query several times and print the medians."""
    parser = argparse.ArgumentParser(description="Time the views over a whole market.")
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory(prefix="floorline-bench-") as folder:
        paths = WarehousePaths(Path(folder))
        paths.prepare()
        land_market(paths, "bench", START, catalogs=make_catalogs())
        print(f"{load_landing(paths).rows_fetched} quotes")
        with open_reader(paths.published) as connection:
            for name, sql in QUERIES.items():
                seconds = [time_query(connection, sql) for _ in range(rounds)]
                print(f"{name}: {describe(seconds, ' s')}")


if __name__ == "__main__":
    main()
