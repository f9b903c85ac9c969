"""What points cost whoever asks for the past: 600,000 quotes of two looks, and 500,000 points around them.

    python -m bench.history [--rounds 7]

The points are of 200 items at every marketplace: in the two weeks before the first look, and in the day after
it. The same is asked of the warehouse with its points, without any, and by views that know of none.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import statistics
import tempfile
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import duckdb
import polars as pl

from bench.views import MOMENT, _drawn, _seconds
from connectors.schemas import POINTS
from sandbox.market.providers import KEYS
from warehouse.database import open_reader
from warehouse.landing.model import PageMeta, RunHeader, ShardHeader
from warehouse.landing.series import SeriesHeader, SeriesPageMeta, SeriesWriter
from warehouse.landing.writer import LandingWriter
from warehouse.loading.pipeline import load_pending
from warehouse.loading.run import LoadReport
from warehouse.paths import WarehousePaths

ITEMS, TIMES, PAGE = 200, 61, 1_000
DAY = timedelta(days=1)
DRAWN = """
SELECT i::VARCHAR AS item_id, 'AK-47 | Finish ' || i || ' (Field-Tested)' AS market_hash_name,
    NULL::VARCHAR AS phase, provider, $moment::TIMESTAMPTZ + to_minutes(5 * (n * 70 - 4032)) AS time,
    (100 + hash(i, provider, n) % 50)::BIGINT AS lowest_ask, (lowest_ask / 100)::DECIMAL(20, 8) AS price,
    (hash(n) % 9)::BIGINT AS quantity
FROM range(1, $items + 1) t(i), unnest($keys) k(provider), range($times) u(n)
ORDER BY i, time DESC, provider
"""
# as if there were no points to know of
UNFILLED = """CREATE OR REPLACE VIEW store.filled AS
SELECT i.source, v.provider, i.item_id, i.market_hash_name, i.phase, i.aggregate, h.*
FROM store.history h JOIN store.item i USING (item_key) JOIN store.provider v USING (provider_key)"""
AS_OF, ONE = "quotes_as_of('2026-06-02 00:00:00Z')", "market_hash_name = 'AK-47 | Finish 77 (Field-Tested)'"
ASKED = {
    "quote_history": "FROM quote_history",
    "quote_history of one item": f"FROM quote_history WHERE {ONE}",
    "quotes_as_of": f"FROM {AS_OF}",
    "quotes_as_of of one item": f"FROM {AS_OF} WHERE {ONE}",
}


def main() -> None:
    """Load the looks, then the points, and ask each state in turn; print the medians, and the best."""
    parser = argparse.ArgumentParser(description="Time the past with and without points.")
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory(prefix="floorline-bench-") as folder:
        home = WarehousePaths(Path(folder))
        home.prepare()
        for number in range(2):
            _look(home, number)
        states = {"unfilled": _kept(home, "unfilled", UNFILLED), "no points": _kept(home, "no points")}
        _points(home)
        _compared({**states, "points": home.published}, rounds)


def _kept(home: WarehousePaths, name: str, change: str = "") -> Path:
    """A copy of the published database, changed."""
    path = home.root / f"{name}.duckdb"
    path.write_bytes(home.published.read_bytes())
    with duckdb.connect(str(path)) as db:
        db.execute(change)
    return path


def _compared(states: dict[str, Path], rounds: int) -> None:
    with contextlib.ExitStack() as stack:
        opened = {name: stack.enter_context(open_reader(path)) for name, path in states.items()}
        for asked, sql in ASKED.items():
            taken: dict[str, list[float]] = {name: [] for name in opened}
            for _, (name, db) in itertools.product(range(rounds), opened.items()):
                taken[name].append(_seconds(db, sql))
            told = (
                f"{name} {statistics.median(times):.3f} s ({min(times):.3f})" for name, times in taken.items()
            )
            print(f"{asked}: {', '.join(told)}")


def _told(name: str, seconds: list[float]) -> str:
    return f"{name} {statistics.median(seconds):.3f} s ({min(seconds):.3f})"


def _look(home: WarehousePaths, number: int) -> None:
    """One snapshot of every marketplace's catalog; the second finds what the first found, a day later."""
    moment = MOMENT + number * DAY
    with LandingWriter(
        home.landing, RunHeader(f"look{number}", "snapshot", "cs2cap", "all", moment, 600)
    ) as landing:
        for place, provider in enumerate(KEYS):
            rows = _drawn(provider)
            writer = landing.open_shard(ShardHeader(place, "USD", ("standard",), (provider,), None))
            writer.append(PageMeta(0, 0, len(rows), moment, moment, ""), rows)
            writer.finish(complete=True, reason=None)
        landing.finish("done")
    loaded = _settled(home)
    print(f"{loaded.rows_fetched} quotes, {loaded.rows_changed} changes")


def _points(home: WarehousePaths) -> None:
    with duckdb.connect() as db:
        wanted = {"items": ITEMS, "keys": KEYS, "times": TIMES, "moment": MOMENT}
        rows = db.execute(DRAWN, wanted).pl().cast(dict(POINTS))  # type: ignore[arg-type]
    moment = MOMENT + 2 * DAY
    with LandingWriter(home.landing, RunHeader("points", "backfill", "cs2cap", "bench", moment)) as landing:
        header = SeriesHeader(0, "points", "bench", 0, "USD", None, None, MOMENT - 14 * DAY, moment)
        writer = SeriesWriter(landing.folder, header)
        for number, page in enumerate(_pages(rows)):
            writer.append(SeriesPageMeta(number, None, None, moment, moment, None, len(page)), page)
        writer.finish(complete=True, reason=None)
        landing.finish("done")
    began = time.perf_counter()
    loaded = _settled(home)
    print(f"{loaded.rows_changed} points, loaded and published in {time.perf_counter() - began:.1f} s")


def _pages(rows: pl.DataFrame) -> Iterator[pl.DataFrame]:
    return (rows.slice(start, PAGE) for start in range(0, len(rows), PAGE))


def _settled(home: WarehousePaths) -> LoadReport:
    (loaded,) = load_pending(home, now=lambda: MOMENT, keep=DAY)
    return loaded


if __name__ == "__main__":
    main()
