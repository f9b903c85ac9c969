"""The part `queries`: questions to the public views, over short and long histories, and with points."""

from __future__ import annotations

import tempfile
import time
from contextlib import ExitStack
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Final

import duckdb

from bench.market import time_query
from bench.suite.history import copy_history
from bench.suite.measurement import Figures, Samples, collect, interleave, ratios
from bench.suite.options import SuiteOptions
from bench.suite.points import load_points
from bench.suite.results import Figure, Findings
from warehouse.database import open_reader

ITEM: Final = "market_hash_name = 'AK-47 | Finish 77 (Field-Tested)'"
PAST: Final = "quotes_as_of(now() - INTERVAL 100 DAYS)"
# Each question with its goal in seconds.
QUERIES: Final = {
    "latest quotes of one item": (f"FROM quotes WHERE {ITEM}", 0.01),
    "30 days of daily_ohlc of one item": (
        f"FROM daily_ohlc WHERE {ITEM} AND day >= current_date - 30",
        0.02,
    ),
    "30 days of best_ask_daily_ohlc of one item": (
        f"FROM best_ask_daily_ohlc WHERE {ITEM} AND day >= current_date - 30",
        0.02,
    ),
    "best_ask_history of one item": (f"FROM best_ask_history WHERE {ITEM}", 0.02),
    "best_ask over everything": ("FROM best_ask", 0.25),
    "movers('24 hours')": ("FROM movers('24 hours')", 0.25),
    "the last hour of quote_history": (
        "FROM quote_history WHERE valid_from >= now() - INTERVAL 1 HOUR",
        0.1,
    ),
    "the last 48 hours of quote_history": (
        "FROM quote_history WHERE valid_from >= now() - INTERVAL 48 HOURS",
        1.0,
    ),
    "quotes_as_of of one item": (f"FROM {PAST} WHERE {ITEM}", 0.02),
    "quotes_as_of of everything": (f"FROM {PAST}", 0.5),
    "best_spreads": ("FROM best_spreads", 0.5),
}


def run_queries(options: SuiteOptions) -> Findings:
    """Ask each question of the shortest and the longest history, and of that with points in its gaps."""
    shortest, longest = f"{min(options.history)} M rows", f"{max(options.history)} M rows"
    with_points = f"{longest} with points"
    left_out: list[str] = []
    figures: list[Figure] = []
    bars: dict[str, float] = {}
    with tempfile.TemporaryDirectory(prefix="floorline-bench-") as folder, ExitStack() as stack:
        warehouses = {
            shortest: copy_history(min(options.history), Path(folder) / "shortest")[0],
            longest: copy_history(max(options.history), Path(folder) / "longest")[0],
            with_points: copy_history(max(options.history), Path(folder) / "points")[0],
        }
        began = time.perf_counter()
        points = load_points(warehouses[with_points], datetime.now(UTC))
        figures.append(
            Figure(f"{points:,} points, generated to published", [time.perf_counter() - began], "s")
        )
        connections = {
            name: stack.enter_context(open_reader(paths.published)) for name, paths in warehouses.items()
        }
        for question, (sql, goal) in QUERIES.items():
            options.watch.sample()
            try:
                samples = _ask(connections, sql, options.rounds)
            except duckdb.CatalogException:
                left_out.append(f"{question}: this version has no such view")
                continue
            milliseconds = [1_000 * seconds for seconds in collect(samples, longest)]
            of_points = ratios(samples, with_points, longest)
            figures.append(Figure(f"{question}, {longest}", milliseconds, "ms", at_most=1_000 * goal))
            figures.append(Figure(f"{question}, {with_points} / without", of_points, "x", at_most=1.5))
            if longest != shortest:
                growth = ratios(samples, longest, shortest)
                figures.append(Figure(f"{question}, {longest} / {shortest}", growth, "x"))
                bars[question] = figures[-1].median
    return Findings(figures, bars, left_out=left_out)


def _ask(connections: dict[str, duckdb.DuckDBPyConnection], sql: str, rounds: int) -> Samples:
    for connection in connections.values():
        time_query(connection, sql)
    contenders = {name: partial(_time, connection, sql) for name, connection in connections.items()}
    return interleave({**contenders}, rounds)


def _time(connection: duckdb.DuckDBPyConnection, sql: str) -> Figures:
    return {"seconds": time_query(connection, sql)}
