"""Readers see a lake when it is complete."""

from pathlib import Path

import duckdb

from tests.support.lakes import create_lake, lake_in
from warehouse.lake.connection import attach_lake
from warehouse.lake.snapshots import find_newest_snapshot
from warehouse.lake.writer import open_lake_writer


def test_lake_that_is_being_created_is_not_published(tmp_path: Path) -> None:
    lake = lake_in(tmp_path)
    assert find_newest_snapshot(lake) is None
    with attach_lake(lake, read_only=False) as db:
        db.execute("CREATE SCHEMA store")
        db.execute("CREATE TABLE store.run (run_key INTEGER)")
    assert find_newest_snapshot(lake) is None


def test_tables_of_a_new_lake_come_with_their_views(tmp_path: Path) -> None:
    create_lake(tmp_path / "lake")
    with duckdb.connect(tmp_path / "lake" / "catalog.duckdb") as db:
        tables = db.execute("SELECT min(begin_snapshot) FROM ducklake_table").fetchall()
        views = db.execute("SELECT min(begin_snapshot) FROM ducklake_view").fetchall()
    assert tables == views


def test_newest_snapshot_of_a_lake(tmp_path: Path) -> None:
    lake = create_lake(tmp_path / "lake")
    before = find_newest_snapshot(lake)
    assert before is not None
    with open_lake_writer(lake) as db:
        db.execute("INSERT INTO store.stale_filling VALUES (1)")
    after = find_newest_snapshot(lake)
    assert after is not None
    assert after.number > before.number
    assert after.committed_at > before.committed_at
