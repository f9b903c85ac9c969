"""Loads of a few rows, whose rows DuckLake puts into the catalog in PostgreSQL."""

from datetime import timedelta
from pathlib import Path

import pytest

from tests.support.clocks import NOON
from tests.support.lake_warehouses import LakeWarehouses, find_warehouse
from tests.support.postgres import Postgres, needs_postgres
from tests.support.warehouse import Quote, land_and_load, minute, observe, query_rows
from warehouse.database import open_writer
from warehouse.lake.writer import TABLES_IN_FILES
from warehouse.paths import WarehousePaths

pytestmark = [needs_postgres, pytest.mark.server]
TIMES_IN_STRUCTS = """
SELECT DISTINCT table_name FROM duckdb_columns()
WHERE database_name = 'market' AND schema_name = 'store' AND data_type LIKE 'STRUCT(%TIMESTAMP%' ORDER BY ALL
"""


def create_lake(postgres: Postgres, folder: Path) -> WarehousePaths:
    LakeWarehouses(postgres).fill(folder)
    return find_warehouse(folder)


def test_answer_with_another_time_is_read_back(postgres: Postgres, tmp_path: Path) -> None:
    """`current` keeps the row of the last change beside a newer answer: as a STRUCT with a TIMESTAMPTZ."""
    paths = create_lake(postgres, tmp_path)
    for number, cents in enumerate((100, 105, 100)):
        earlier = NOON - timedelta(minutes=5 * (number % 2))
        seen = observe(minute(10 * number), Quote(cents=cents, timestamp=earlier), currency="EUR")
        assert land_and_load(paths, f"r{number}", seen).rows_changed == int(number == 0)
    assert query_rows(paths, "SELECT price, changed_at FROM quotes") == [(1, NOON)]


def test_tables_with_a_time_in_a_struct_are_in_files(postgres: Postgres, tmp_path: Path) -> None:
    with open_writer(create_lake(postgres, tmp_path).loader_database) as db:
        assert [table for (table,) in db.execute(TIMES_IN_STRUCTS).fetchall()] == list(TABLES_IN_FILES)
        before = db.execute(
            "SELECT count(*) FROM ducklake_list_files('market', 'current', schema => 'store')"
        )
        assert before.fetchall() == [(0,)]
