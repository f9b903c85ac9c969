"""Loads of a few rows, whose rows DuckLake puts into the catalog in PostgreSQL."""

import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from tests.support.clocks import NOON
from tests.support.lake_warehouses import LakeWarehouses, find_warehouse
from tests.support.postgres import Postgres, needs_postgres
from tests.support.warehouse import Quote, land, land_and_load, load, minute, observe, query_rows
from warehouse.database import open_writer
from warehouse.lake.connection import attach_lake
from warehouse.lake.location import LakeLocation
from warehouse.lake.writer import TABLES_IN_FILES
from warehouse.paths import WarehousePaths

pytestmark = [needs_postgres, pytest.mark.server]
ROOT = Path(__file__).parents[3]
LOAD = """
import sys
from pathlib import Path
from tests.support.lake_warehouses import find_warehouse
from tests.support.warehouse import load
load(find_warehouse(Path(sys.argv[1])))
"""
INLINE = """
CALL ducklake_set_option('market', 'data_inlining_row_limit', 10, schema => 'store', table_name => 'current')
"""
TIMES_IN_STRUCTS = """
SELECT DISTINCT table_name FROM duckdb_columns()
WHERE database_name = 'market' AND schema_name = 'store' AND data_type LIKE 'STRUCT(%TIMESTAMP%' ORDER BY ALL
"""


def create_lake(postgres: Postgres, folder: Path) -> WarehousePaths:
    LakeWarehouses(postgres).fill(folder)
    return find_warehouse(folder)


def locate(paths: WarehousePaths) -> LakeLocation:
    database = paths.loader_database
    assert isinstance(database, LakeLocation)
    return database


@pytest.mark.slow
def test_answer_with_another_time_is_read_back(postgres: Postgres, tmp_path: Path) -> None:
    """`current` keeps the row of the last change beside a newer answer: as a STRUCT with a TIMESTAMPTZ."""
    paths = create_lake(postgres, tmp_path)
    for number, cents in enumerate((100, 105, 100)):
        earlier = NOON - timedelta(minutes=5 * (number % 2))
        seen = observe(minute(10 * number), Quote(cents=cents, timestamp=earlier), currency="EUR")
        assert land_and_load(paths, f"r{number}", seen).rows_changed == int(number == 0)
    assert query_rows(paths, "SELECT price, changed_at FROM quotes") == [(1, NOON)]


@pytest.mark.slow
def test_tables_with_a_time_in_a_struct_are_in_files(postgres: Postgres, tmp_path: Path) -> None:
    with open_writer(create_lake(postgres, tmp_path).loader_database) as db:
        assert [table for (table,) in db.execute(TIMES_IN_STRUCTS).fetchall()] == list(TABLES_IN_FILES)
        before = db.execute(
            "SELECT count(*) FROM ducklake_list_files('market', 'current', schema => 'store')"
        )
        assert before.fetchall() == [(0,)]


@pytest.mark.slow
def test_load_that_ends_its_process_is_tried_by_itself_by_the_next_one(
    postgres: Postgres, tmp_path: Path
) -> None:
    """DuckDB ends the process that closes a lake after it could not read such a row."""
    paths = create_lake(postgres, tmp_path)
    land_and_load(paths, "r0", observe(minute(0), Quote()))
    with attach_lake(locate(paths), read_only=False) as db:
        db.execute(INLINE)
        db.execute(
            "UPDATE store.current SET at_change = struct_pack(lowest_ask := 1, other_price := NULL,"
            " changed_at := now(), last_updated := now(), run_key := 1)"
        )
    land(paths, "r1", observe(minute(10), Quote(cents=110)))
    killed = subprocess.run(
        [sys.executable, "-c", LOAD, str(tmp_path)], cwd=ROOT, capture_output=True, check=False
    )
    assert killed.returncode == -signal.SIGABRT
    assert [(report.run_id, report.state) for report in load(paths)] == [("r1", "waiting")]
    assert query_rows(paths, "SELECT run_id FROM runs") == [("r0",)]
