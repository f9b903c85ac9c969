"""Time queries of the past with points: 600,000 quotes of two snapshots, and 500,000 points around them.

    python -m bench.history [--rounds 7]

The points are of 200 items at every marketplace, in the two weeks before the first snapshot and the day after
it. The same queries run on the warehouse with its points and without points.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import shutil
import statistics
import tempfile
import time
from datetime import timedelta
from pathlib import Path

import duckdb

from bench.market import START, land_market, load_landing, time_query
from connectors.schemas import POINTS
from sandbox.market.providers import KEYS
from warehouse.database import open_reader
from warehouse.landing.model import RunHeader
from warehouse.landing.series import SeriesHeader, SeriesPageMeta, SeriesWriter
from warehouse.landing.writer import LandingWriter
from warehouse.paths import WarehousePaths

ITEMS, TIMES, PAGE_ROWS = 200, 61, 1_000
DAY = timedelta(days=1)
GENERATED_POINTS = """
SELECT i::VARCHAR AS item_id, 'AK-47 | Finish ' || i || ' (Field-Tested)' AS market_hash_name,
    NULL::VARCHAR AS phase, provider, $start::TIMESTAMPTZ + to_minutes(5 * (n * 70 - 4032)) AS time,
    (100 + hash(i, provider, n) % 50)::BIGINT AS lowest_ask, (lowest_ask / 100)::DECIMAL(20, 8) AS price,
    (hash(n) % 9)::BIGINT AS quantity
FROM range(1, $items + 1) t(i), unnest($keys) k(provider), range($times) u(n)
ORDER BY i, time DESC, provider
"""
AS_OF, ITEM = "quotes_as_of('2026-06-02 00:00:00Z')", "market_hash_name = 'AK-47 | Finish 77 (Field-Tested)'"
QUERIES = {
    "quote_history": "FROM quote_history",
    "quote_history of one item": f"FROM quote_history WHERE {ITEM}",
    "quotes_as_of": f"FROM {AS_OF}",
    "quotes_as_of of one item": f"FROM {AS_OF} WHERE {ITEM}",
}


def main() -> None:
    """Load the snapshots, then the points, and print the medians and the best times of each state."""
    parser = argparse.ArgumentParser(description="Time the past with and without points.")
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory(prefix="floorline-bench-") as folder:
        paths = WarehousePaths(Path(folder))
        paths.prepare()
        for number in range(2):
            land_market(paths, f"snapshot{number}", START + number * DAY)
            report = load_landing(paths)
            print(f"{report.rows_fetched} quotes, {report.rows_changed} changes")
        without_points = paths.root / "without points.duckdb"
        shutil.copy(paths.published, without_points)
        _load_points(paths)
        _print_times({"no points": without_points, "points": paths.published}, rounds)


def _print_times(states: dict[str, Path], rounds: int) -> None:
    with contextlib.ExitStack() as stack:
        connections = {name: stack.enter_context(open_reader(path)) for name, path in states.items()}
        for query, sql in QUERIES.items():
            seconds: dict[str, list[float]] = {name: [] for name in connections}
            for _, (name, connection) in itertools.product(range(rounds), connections.items()):
                seconds[name].append(time_query(connection, sql))
            figures = (
                f"{name} {statistics.median(times):.3f} s ({min(times):.3f})"
                for name, times in seconds.items()
            )
            print(f"{query}: {', '.join(figures)}")


def _load_points(paths: WarehousePaths) -> None:
    with duckdb.connect() as connection:
        parameters = {"items": ITEMS, "keys": KEYS, "times": TIMES, "start": START}
        frame = connection.execute(GENERATED_POINTS, parameters).pl()
        rows = frame.cast(dict(POINTS))  # type: ignore[arg-type]
    at = START + 2 * DAY
    run = RunHeader("points", "backfill", "cs2cap", basket="bench", started_at=at)
    with LandingWriter(paths.landing, run) as landing:
        header = SeriesHeader(
            0,
            "points",
            "bench",
            shard=0,
            currency="USD",
            provider=None,
            item=None,
            start=START - 14 * DAY,
            end=at,
        )
        writer = SeriesWriter(landing.folder, header)
        for number, page in enumerate(rows.iter_slices(PAGE_ROWS)):
            meta = SeriesPageMeta(
                number, None, None, observed_at=at, landed_at=at, oldest=None, rows=len(page)
            )
            writer.append(meta, page)
        writer.finish(complete=True, reason=None)
        landing.finish("done")
    began = time.perf_counter()
    report = load_landing(paths)
    print(f"{report.rows_changed} points, loaded and published in {time.perf_counter() - began:.1f} s")


if __name__ == "__main__":
    main()
