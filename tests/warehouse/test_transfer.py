"""A warehouse moves from a file into a lake and back, and answers everything as before."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.support.lakes import create_lake, read_views
from tests.support.sealed_months import LATER, land_random_runs
from tests.support.warehouse import create_warehouse, load
from warehouse.database import open_reader, open_writer
from warehouse.export import export_duckdb, export_lake
from warehouse.maintenance.verification import verify_content
from warehouse.paths import WarehousePaths
from warehouse.publish import publish
from warehouse.sealing.months import seal_months
from warehouse.transfer.comparison import find_differences, fingerprint_views
from warehouse.transfer.lake import copy_into_lake

pytestmark = pytest.mark.file_warehouse("moves a file into a lake")


@pytest.fixture
def paths(tmp_path: Path) -> WarehousePaths:
    """Return a warehouse with some months, of which those that are over are sealed."""
    paths = create_warehouse(tmp_path / "machine")
    land_random_runs(paths, random.Random(3))
    load(paths)
    with open_writer(paths.writer) as db:
        assert seal_months(db, LATER)
    publish(paths)
    return paths


@pytest.mark.slow
def test_a_file_moves_into_a_lake_and_back(paths: WarehousePaths, tmp_path: Path) -> None:
    exported, lake = tmp_path / "exported.duckdb", create_lake(tmp_path / "lake")
    export_duckdb(paths, exported)
    assert copy_into_lake(exported, lake)
    assert find_differences(fingerprint_views(paths.published), fingerprint_views(lake)) == []
    with open_reader(paths.published) as file, open_reader(lake) as shared:
        assert read_views(shared) == read_views(file)
    with open_writer(lake) as db:
        assert seal_months(db, LATER)
    assert find_differences(fingerprint_views(paths.published), fingerprint_views(lake)) == []
    assert copy_into_lake(exported, lake) is None
    with open_reader(lake) as db:
        verification = verify_content(db, None)
    assert (verification.problems, verification.sealed_months > 0) == ((), True)

    back = tmp_path / "back.duckdb"
    export_lake(lake, back)
    assert find_differences(fingerprint_views(back), fingerprint_views(paths.published)) == []
    with open_writer(back) as db:  # a loader's database like any other
        assert seal_months(db, LATER)


@pytest.mark.slow
def test_a_difference_is_found(paths: WarehousePaths, tmp_path: Path) -> None:
    exported, lake = tmp_path / "exported.duckdb", create_lake(tmp_path / "lake")
    export_duckdb(paths, exported)
    copy_into_lake(exported, lake)
    with open_writer(lake) as db:  # the same row twice
        db.execute("INSERT INTO store.run FROM store.run LIMIT 1")
    assert "runs" in find_differences(fingerprint_views(exported), fingerprint_views(lake))
