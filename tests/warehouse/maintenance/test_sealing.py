"""Months are sealed where the database is large, and the file that each load copies stays small."""

from pathlib import Path

import pytest

from tests.support.warehouse import Quote, create_warehouse, land_and_load, minute, observe, query_rows
from warehouse.database import open_reader, open_writer
from warehouse.maintenance.compaction import compact, is_worth_compacting
from warehouse.maintenance.sealing import seal
from warehouse.paths import WarehousePaths

pytestmark = pytest.mark.file_warehouse("a lake is sealed whatever its size, and has no file to compact")

LATER = minute(90 * 24 * 60)
HISTORY = "FROM quote_history ORDER BY ALL"


@pytest.fixture
def paths(tmp_path: Path) -> WarehousePaths:
    """Return a warehouse with a change in June."""
    paths = create_warehouse(tmp_path / "warehouse")
    for number in range(2):
        land_and_load(paths, f"r{number}", observe(minute(number), Quote(cents=100 + number)))
    return paths


@pytest.mark.slow
def test_only_a_large_database_is_sealed(paths: WarehousePaths) -> None:
    history = query_rows(paths, HISTORY)
    small = seal(paths, LATER, above=200_000_000)
    assert (small.is_small, small.sealed) == (True, ())
    large = seal(paths, LATER, above=small.database_bytes // 2)
    assert [month.month.month for month in large.sealed] == [6, 7]
    assert query_rows(paths, HISTORY) == history
    with open_reader(paths.published_database) as db:
        assert db.execute("FROM store.history").fetchall() == []


@pytest.mark.slow
def test_file_without_its_unused_blocks_has_the_same_content(paths: WarehousePaths) -> None:
    history, quotes = query_rows(paths, HISTORY), query_rows(paths, "FROM quotes")
    with open_writer(paths.loader_database) as db:
        db.execute("CREATE TABLE store.filler AS SELECT random() AS number FROM range(4_000_000)")
    with open_writer(paths.loader_database) as db:
        db.execute("DROP TABLE store.filler")
        db.execute("CREATE TABLE store.last AS SELECT 1 AS number")  # else the end of the file is cut off
    size = paths.writer.stat().st_size
    if not is_worth_compacting(paths.writer):
        pytest.skip(f"DuckDB gave the blocks back: {size}")
    compact(paths.writer)
    assert paths.writer.stat().st_size < size
    assert not is_worth_compacting(paths.writer)
    land_and_load(paths, "r2", observe(minute(2), Quote(cents=101)))
    assert query_rows(paths, HISTORY) == history
    assert [row[:8] for row in query_rows(paths, "FROM quotes")] == [row[:8] for row in quotes]
