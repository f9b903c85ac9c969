"""A filter on time reaches the scans of the states: a question about an hour reads no other rows."""

import json
from collections.abc import Iterator
from typing import Any

import duckdb
import pytest

from tests.support.warehouse import Quote, create_warehouse, land, load_into_memory, minute, observe

STATES = ("history", "current")
ITEM = "market_hash_name = 'AK-47 | Finish 1 (Field-Tested)'"


@pytest.fixture(scope="module")
def db(tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    """Return a database in memory of five runs on four days that each changed all quotes but one."""
    paths = create_warehouse(tmp_path_factory.mktemp("warehouse"))
    runs = [
        land(
            paths,
            run_id,
            observe(minute(60 * hour), Quote("9"), *(Quote(item, 100 + hour) for item in "1234")),
        )
        for hour, run_id in ((0, "a"), (1, "b"), (30, "c"), (60, "d"), (90, "e"))
    ]
    with load_into_memory(runs) as db:
        # Of a join, the larger side gets what the other one has: the history, as in every real database.
        db.execute("INSERT INTO store.history SELECT h.* FROM store.history h, range(2000)")
        yield db


@pytest.fixture
def db_with_points(db: duckdb.DuckDBPyConnection) -> Iterator[duckdb.DuckDBPyConnection]:
    """Return the database as it is where points divide many states."""
    # In a transaction of its own: DuckDB expects no rows of one that goes on.
    divided = "SELECT * EXCLUDE (delivery), true AS replaces FROM store.history"
    db.execute(f"INSERT INTO store.filled_state BY NAME {divided} WHERE valid_to < '2026-06-03'")
    yield db
    db.execute("DELETE FROM store.filled_state")


def read_scans(node: dict[str, Any], filters: str = "Filters") -> Iterator[tuple[str, str]]:
    """Yield each scan of a query's plan: the name of its table, and its filters."""
    info = node.get("extra_info", {})
    if "Table" in info:
        yield info["Table"].rpartition(".")[2].strip('"'), str(info.get(filters, ""))
    for child in node["children"]:
        yield from read_scans(child, filters)


@pytest.mark.parametrize(
    "query",
    [
        "FROM quote_history WHERE valid_from > TIMESTAMPTZ '2026-06-01 13:30:00Z'",
        "FROM quote_history WHERE valid_from > TIMESTAMPTZ '2026-06-01 13:30:00Z' AND provider = 'steam'",
        "FROM quotes_as_of('2026-06-01 13:30:00Z')",
        "FROM quote_history_since('2026-06-01 13:30:00Z') WHERE valid_from > '2026-06-01 13:00:00Z'",
        "FROM daily_ohlc_between('2026-06-02', '2026-06-02')",
    ],
)
def test_filter_on_time_is_part_of_the_scans(db: duckdb.DuckDBPyConnection, query: str) -> None:
    ((_, plan),) = db.execute(f"EXPLAIN (FORMAT json) {query}").fetchall()
    found = [scan for scan in read_scans(json.loads(plan)[0]) if scan[0] in STATES]
    scans = {name: " ".join(filters for other, filters in found if other == name) for name, _ in found}
    assert {*scans} == {*STATES}
    assert "valid_from" in scans["history"]
    assert "valid_from" in scans["current"]
    assert ("valid_to" in scans["history"]) == ("(" in query)


@pytest.mark.parametrize(
    ("query", "table"),
    [
        ("FROM daily_ohlc WHERE day = DATE '2026-06-02'", "history"),
        ("FROM daily_ohlc WHERE day >= DATE '2026-06-04'", "history"),
        (f"FROM daily_ohlc WHERE {ITEM} AND day >= DATE '2026-06-04'", "history"),
        ("FROM best_ask_daily_ohlc WHERE day = DATE '2026-06-02'", "best_ask_history"),
        ("FROM best_ask_daily_ohlc WHERE day >= DATE '2026-06-04'", "best_ask_history"),
        ("FROM best_ask_daily_ohlc_between('2026-06-02', '2026-06-02')", "best_ask_history"),
        ("FROM movers('24 hours')", "best_ask_history"),
        ("FROM price_vs_median(2)", "best_ask_history"),
    ],
)
def test_days_reach_the_scans_as_a_range_of_times(
    db: duckdb.DuckDBPyConnection, query: str, table: str
) -> None:
    """DuckDB passes the times of the days that a query asks for to the scans while it runs."""
    check_times_at_scans(db, query, table)


def test_days_of_an_item_reach_the_scans_where_points_divide_many_states(
    db_with_points: duckdb.DuckDBPyConnection,
) -> None:
    check_times_at_scans(
        db_with_points, f"FROM daily_ohlc WHERE {ITEM} AND day >= DATE '2026-06-04'", "history"
    )


def check_times_at_scans(db: duckdb.DuckDBPyConnection, query: str, table: str) -> None:
    ((_, plan),) = db.execute(f"EXPLAIN (ANALYZE, FORMAT json) {query}").fetchall()
    filters = [
        found for name, found in read_scans(json.loads(plan), "Dynamic Filters") if name == table and found
    ]
    assert any("valid_from<" in found and "valid_to>" in found for found in filters), filters


@pytest.mark.parametrize(
    "view", ["best_ask", "best_spreads", "price_outliers", "movers('1 day')", "price_vs_median(2)"]
)
def test_question_about_one_item_reads_the_quotes_of_this_item(
    db: duckdb.DuckDBPyConnection, view: str
) -> None:
    query = f"FROM {view} WHERE {ITEM}"
    ((_, plan),) = db.execute(f"EXPLAIN (FORMAT json) {query}").fetchall()
    filters = [found for name, found in read_scans(json.loads(plan)[0]) if name == "item"]
    assert filters
    assert all("market_hash_name" in found for found in filters), filters
