"""Rebuilding from the landings, backups, and what `status` asks."""

import subprocess
import sys
from pathlib import Path

import duckdb
import polars as pl
import pytest

from common.errors import WarehouseUnusable
from tests.support.warehouse import (
    Page,
    Quote,
    Shard,
    dump,
    home_in,
    land,
    load,
    look,
    minute,
    named,
    rows,
    snapshot,
)
from warehouse.maintenance import VIEWS, export_duckdb, export_parquet, rebuild, rebuildable_landings
from warehouse.paths import WarehousePaths
from warehouse.queries import LAST_RUNS, run_query
from warehouse.state.alerts import Alert, AlertStore


@pytest.fixture
def home(tmp_path: Path) -> WarehousePaths:
    """Return a warehouse with a little of everything: changes, a closing, a reject, a late run, an alert."""
    home = home_in(tmp_path / "home")
    broken = [("did not fit", '{"item_id": 9}')]
    snapshot(home, "a", look(minute(0), Quote("1"), Quote("2"), Quote("3", provider="buff163"),
                             providers=("steam", "buff163"), rejects=broken))  # fmt: skip
    snapshot(home, "b", look(minute(10), Quote("1", 120)), look(minute(10), Quote("1", 110), currency="EUR"))
    snapshot(home, "d", look(minute(30), Quote("1", 120), items=named("1")), basket="core")
    snapshot(home, "c", look(minute(20), Quote("1", 130)), state="incomplete")
    AlertStore(home.state).raise_alert(Alert("quota.exhausted", "cs2cap", "", "used up"), minute(1))
    land(home, "e", Shard([Page(minute(40), [Quote("4")])]), state=None)
    load(home)
    return home


def test_a_rebuild_says_what_the_original_said(home: WarehousePaths) -> None:
    quotes = "SELECT * EXCLUDE (run_id, last_updated) FROM quotes ORDER BY ALL"
    changes = "SELECT * EXCLUDE (last_updated) FROM quote_history ORDER BY ALL"
    queries = (quotes, changes, "FROM rejects ORDER BY ALL", "FROM alerts")
    before = [rows(home, query) for query in queries]
    rebuilt = rebuild(home, lambda: minute(600), wait=0)

    assert [
        rows(home, query) for query in (quotes, changes, "FROM rejects ORDER BY ALL", "FROM alerts")
    ] == before
    assert rebuilt.runs == 5
    assert rebuilt.aside == home.writer.with_name("market.before-20260601T220000Z.duckdb")
    assert duckdb.connect(str(rebuilt.aside), read_only=True).execute(
        "SELECT count(*) FROM runs"
    ).fetchall() == [(5,)]
    assert [run.header.run_id for run in rebuildable_landings(home)] == ["a", "b", "c", "d", "e"]
    assert load(home) == []


def test_a_rebuild_needs_no_old_database(home: WarehousePaths) -> None:
    before = rows(home, "SELECT * EXCLUDE (run_id, last_updated) FROM quotes ORDER BY ALL")
    home.writer.write_text("ruined")
    rebuilt = rebuild(home, lambda: minute(600), wait=0)
    assert rows(home, "SELECT * EXCLUDE (run_id, last_updated) FROM quotes ORDER BY ALL") == before
    assert rebuilt.aside is not None
    assert rebuilt.aside.read_text() == "ruined"
    home.writer.unlink()
    assert rebuild(home, lambda: minute(700), wait=0).aside is None


def test_a_killed_writers_log_goes_aside_with_its_file(home: WarehousePaths) -> None:
    subprocess.run(
        [sys.executable, "-c", "import duckdb, os, sys; db = duckdb.connect(sys.argv[1]);"
         "db.execute('CREATE TABLE mine (a INTEGER)'); os._exit(9)", str(home.writer)],
        check=False,
    )  # fmt: skip
    aside = rebuild(home, lambda: minute(600), wait=0).aside
    assert aside is not None
    with duckdb.connect(str(aside)) as db:
        assert db.execute("SELECT count(*) FROM mine").fetchall() == [(0,)]
    assert dump(home)["run"]
    load(home)


def test_an_exported_database_is_readable_on_its_own(home: WarehousePaths, tmp_path: Path) -> None:
    to = tmp_path / "it's a backup.duckdb"
    export_duckdb(home, to)
    with duckdb.connect(str(to), read_only=True) as db:
        db.execute("SET TimeZone = 'UTC'")
        for view in VIEWS:
            assert db.execute(f"FROM {view} ORDER BY ALL").fetchall() == rows(
                home, f"FROM {view} ORDER BY ALL"
            )
        as_of = "SELECT count(*) FROM quotes_as_of('2026-06-01 12:05:00Z')"
        assert db.execute(as_of).fetchall() == rows(home, as_of)
    with pytest.raises(WarehouseUnusable, match="exists already"):
        export_duckdb(home, to)


def test_exported_parquet_says_the_same(home: WarehousePaths, tmp_path: Path) -> None:
    files = export_parquet(home, tmp_path / "backup")
    assert [file.stem for file in files] == list(VIEWS)
    for file in files:
        assert pl.read_parquet(file).height == rows(home, f"SELECT count(*) FROM {file.stem}")[0][0]
        told = run_query(home, f"FROM '{file}' ORDER BY ALL").rows
        assert list(told) == rows(home, f"FROM {file.stem} ORDER BY ALL")
    with pytest.raises(WarehouseUnusable, match="exists already"):
        export_parquet(home, tmp_path / "backup")


def test_an_export_that_failed_is_not_in_the_way(home: WarehousePaths, tmp_path: Path) -> None:
    (tmp_path / "backup.partial").mkdir()
    (tmp_path / "backup.partial" / "quotes.parquet").write_text("half")
    export_parquet(home, tmp_path / "backup")
    assert not (tmp_path / "backup.partial").exists()


def test_nothing_to_export_is_said(tmp_path: Path) -> None:
    empty = home_in(tmp_path / "empty")
    for export in (export_duckdb, export_parquet):
        with pytest.raises(WarehouseUnusable, match="floorline snapshot"):
            export(empty, tmp_path / "backup")
    assert not (tmp_path / "backup").exists()


def test_the_last_run_of_a_basket_tells_of_itself_only(tmp_path: Path) -> None:
    home = home_in(tmp_path)
    cut = {"requests": 3, "quota_remaining": 900, "incomplete_reason": "the quota is used up"}
    snapshot(home, "a", look(minute(0), Quote()), state="incomplete", facts=cut, interval_seconds=600)
    snapshot(home, "b", look(minute(10), Quote()), facts={"requests": 5}, interval_seconds=None)
    snapshot(home, "c", look(minute(20), Quote()), flow="backfill")

    (last,) = run_query(home, LAST_RUNS).records()
    assert last == {
        "basket": "all", "source": "cs2cap", "last_success": minute(10), "last_state": "done",
        "last_reason": None, "rows_fetched": 1, "rows_changed": 0, "requests": 5, "quota_remaining": None,
        "interval_seconds": None,
    }  # fmt: skip
