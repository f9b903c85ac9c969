"""Warehouses with random runs over four months, and what analysts see of them."""

import random
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb

from tests.support.clocks import NOON
from tests.support.series_landings import Point, SeriesPage, land_series
from tests.support.warehouse import Quote, create_warehouse, land, minute, observe
from warehouse.database import open_writer
from warehouse.landing.reader import read_run
from warehouse.loading.quotes import load_run
from warehouse.paths import WarehousePaths

DAY = 24 * 60  # minutes
DAYS, RUNS = 100, 8
LATER = minute(160 * DAY)  # five months are over then; the last one has no run
HISTORY = """
SELECT item, provider, delivery, price, quantity, changed_at, valid_from, valid_to, origin, run_id
FROM quote_history ORDER BY ALL
"""
Rows = list[tuple[Any, ...]]


def see(db: duckdb.DuckDBPyConnection, start: datetime = NOON) -> list[Rows]:
    """Return all states, the quotes of now, and those of a moment in every nine days from `start` on."""
    moments = [minute(1 + day * DAY) for day in range(0, DAYS, 9) if minute(1 + day * DAY) >= start]
    asof = "SELECT item, provider, price, quantity, valid_from, run_id FROM quotes_as_of(?) ORDER BY ALL"
    now = db.execute("FROM quotes ORDER BY ALL").fetchall()
    return [db.execute(HISTORY).fetchall(), now, *(db.execute(asof, [at]).fetchall() for at in moments)]


def check_history_since(db: duckdb.DuckDBPyConnection, moments: Iterable[datetime]) -> None:
    """Compare quote_history_since with the rows of quote_history that hold at each moment, or began later."""
    held = "FROM quote_history WHERE valid_to > $since OR valid_to IS NULL ORDER BY ALL"
    for since in moments:
        expected = db.execute(held, {"since": since}).fetchall()
        found = db.execute("FROM quote_history_since($since) ORDER BY ALL", {"since": since}).fetchall()
        assert found == expected


def land_random_runs(paths: WarehousePaths, chance: random.Random) -> list[Path]:
    """Land runs over four months, each with some of four items, and points in between."""
    times = sorted(chance.sample(range(0, DAYS * DAY, 30), RUNS))
    landings = [
        land(paths, f"r{number:02}", observe(minute(at), *random_quotes(chance)))
        for number, at in enumerate(times)
    ]
    points = [
        Point(minute(chance.randrange(DAYS * DAY)), chance.randint(100, 103), 1, str(chance.randint(1, 4)))
        for _ in range(20)
    ]
    return [*landings, land_series(paths, "points", SeriesPage(minute(110 * DAY), points))]


def random_quotes(chance: random.Random) -> Sequence[Quote]:
    """Return quotes of some of four items."""
    items = [str(item) for item in range(1, 5) if chance.random() < 0.8]
    return [Quote(item, chance.randint(100, 103), chance.randint(1, 2)) for item in items]


def load_landings(db: duckdb.DuckDBPyConnection, landings: Sequence[Path]) -> None:
    """Load landings, as `Loader` does those of a few rows."""
    db.execute("SET threads = 1")
    for landing in landings:
        load_run(db, read_run(landing), LATER)


def first_sealed_states(paths: WarehousePaths) -> Path:
    """Return the file with the history of the first sealed month."""
    return min(file for file in paths.sealed.iterdir() if ".items." not in file.name)


def create_four_months(root: Path) -> WarehousePaths:
    """Return a warehouse of random runs over four months, nothing sealed."""
    paths = create_warehouse(root)
    with open_writer(paths.loader_database) as db:
        load_landings(db, land_random_runs(paths, random.Random(7)))
    return paths
