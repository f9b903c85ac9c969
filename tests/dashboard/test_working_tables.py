"""Working tables: made once, when a query first names them, by whichever thread needs them first."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from dashboard.prepared import PreparedMarket
from dashboard.working_tables import DEFINITIONS, NAME, WorkingTables
from tests.support.reference.market import publish_example
from warehouse.paths import WarehousePaths
from warehouse.queries.generation import Generation

SELECT_TABLES = "SELECT table_name FROM duckdb_tables() WHERE database_name = 'memory'"


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> WarehousePaths:
    return publish_example(tmp_path_factory.mktemp("working_tables"))


@pytest.fixture
def generation(paths: WarehousePaths) -> Iterator[Generation]:
    opened = Generation(paths.published_database)
    yield opened
    opened.close()


def find_tables(generation: Generation) -> set[str]:
    return {name for (name,) in generation.fetch(SELECT_TABLES, (), lambda cursor: cursor.fetchall())}


def test_query_makes_what_it_names_and_what_that_reads(generation: Generation) -> None:
    tables = WorkingTables(generation)
    tables.make_those_of("SELECT 1")
    assert find_tables(generation) == set()
    tables.make_those_of("FROM memory.main.marketplace")
    assert find_tables(generation) == {"best", "marketplace"}


def test_many_threads_make_each_table_once(generation: Generation) -> None:
    tables = WorkingTables(generation)
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda _: list(tables.make_all()), range(4)))  # a second CREATE would fail
    assert found == [list(DEFINITIONS)] * 4
    assert find_tables(generation) == set(DEFINITIONS)


def test_every_statement_of_the_file_is_a_table() -> None:
    defined = "\n".join(DEFINITIONS.values())
    assert set(NAME.findall(defined)) == set(DEFINITIONS)


@pytest.mark.parametrize(
    ("window", "period"), [("1h", "1 hour"), ("24h", "24 hours"), ("7d", "7 days"), ("30d", "30 days")]
)
def test_movers_of_each_window_are_those_of_the_macro(
    paths: WarehousePaths, window: str, period: str
) -> None:
    market = PreparedMarket(paths)
    columns = "item, currency, was, now, change, now_at, markets, listed"
    try:
        expected = market.rows(f"SELECT {columns} FROM movers('{period}') ORDER BY ALL")
        assert market.rows(f"FROM memory.main.mover_{window} ORDER BY ALL") == expected
    finally:
        market.close()
