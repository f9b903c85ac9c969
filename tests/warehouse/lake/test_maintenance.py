"""Maintenance leaves a lake's rows as they are, and few files; it deletes what nothing needs."""

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.support.lakes import create_lake, read_views
from tests.support.warehouse import Quote, create_warehouse, land, minute, observe
from warehouse.database import open_reader, open_writer
from warehouse.lake.maintenance import find_due_tables, maintain_lake, merge_due_files
from warehouse.landing.reader import read_run
from warehouse.loading.quotes import load_run

RUNS, ITEMS, MOST_FILES = 14, 60, 24


@pytest.mark.slow
def test_merged_files_have_the_same_rows(tmp_path: Path) -> None:
    paths, lake = create_warehouse(tmp_path / "file"), create_lake(tmp_path / "lake")
    chance = random.Random(1)
    with open_writer(lake) as db:
        for number in range(RUNS):
            quotes = [Quote(str(item), chance.randint(100, 110)) for item in range(ITEMS)]
            folder = land(paths, f"r{number:02}", observe(minute(number), *quotes))
            load_run(db, read_run(folder), minute(600))
        before = read_views(db)
        # Of the current quotes, each load deletes the last rows of the file before it.
        assert {"best_ask_history", "history"} == {*find_due_tables(db)}
        merge_due_files(db)
        assert not find_due_tables(db)
        assert read_views(db) == before
    stray = tmp_path / "lake" / "files" / "store" / "current" / "ducklake-of-a-killed-load.parquet"
    stray.write_bytes(b"")
    with open_writer(lake) as db:
        soon = maintain_lake(db, datetime.now(UTC))
        assert (soon.snapshots_expired, soon.files_deleted, soon.orphans_deleted) == (0, 0, 0)
        later = maintain_lake(db, datetime.now(UTC) + timedelta(days=8))
        assert not stray.exists()
        assert later.orphans_deleted == 1
        assert later.snapshots_expired > RUNS
        assert later.problems == soon.problems == ()
        assert read_views(db) == before
    with open_reader(lake) as db:
        assert read_views(db) == before
    files = list((tmp_path / "lake" / "files").rglob("*.parquet"))
    assert len(files) == later.files_after <= MOST_FILES
