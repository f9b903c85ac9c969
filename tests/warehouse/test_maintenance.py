"""Rebuilds from the landings, and the query of `status`."""

import shutil
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from common.warehouse_errors import WarehouseUnusable
from tests.support.cases import slow_but_first
from tests.support.warehouse import (
    Page,
    Quote,
    ShardSpec,
    by_ids,
    copy_warehouse,
    create_warehouse,
    dump_facts,
    land,
    land_and_load,
    load,
    minute,
    observe,
    public_views,
    query_all,
    query_rows,
)
from warehouse.paths import WarehousePaths
from warehouse.queries.runner import LAST_RUNS, run_query
from warehouse.rebuild import rebuild, rebuildable_landings
from warehouse.state.alerts import Alert, AlertStore
from warehouse.state.database import open_state

pytestmark = pytest.mark.file_warehouse("a rebuild makes the database's file anew")


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> WarehousePaths:
    """Return a warehouse with changes, a closed quote, a reject, a late run and an alert."""
    paths = create_warehouse(tmp_path_factory.mktemp("warehouse"))
    rejects = [("did not fit", '{"item_id": 9}')]
    land_and_load(paths, "a", observe(minute(0), Quote("1"), Quote("2"), Quote("3", provider="buff163"),
                             providers=("steam", "buff163"), rejects=rejects))  # fmt: skip
    land_and_load(
        paths, "b", observe(minute(10), Quote("1", 120)), observe(minute(10), Quote("1", 110), currency="EUR")
    )
    land_and_load(paths, "d", observe(minute(30), Quote("1", 120), items=by_ids("1")), basket="core")
    land_and_load(paths, "c", observe(minute(20), Quote("1", 130)), state="incomplete")
    AlertStore(open_state(paths)).raise_alert(Alert("quota.exhausted", "cs2cap", "", "used up"), minute(1))
    land(paths, "e", ShardSpec([Page(minute(40), [Quote("4")])]), state=None)
    load(paths)
    return paths


@pytest.fixture
def paths(template: WarehousePaths, tmp_path: Path) -> WarehousePaths:
    return copy_warehouse(template, tmp_path / "home")


@pytest.mark.slow
def test_rebuild_restores_the_same_rows(paths: WarehousePaths) -> None:
    quotes = "SELECT * EXCLUDE (run_id, last_updated) FROM quotes ORDER BY ALL"
    changes = "SELECT * EXCLUDE (last_updated) FROM quote_history ORDER BY ALL"
    queries = (quotes, changes, "FROM rejects ORDER BY ALL", "FROM alerts")
    before = query_all(paths, queries)
    result = rebuild(paths, lambda: minute(600), wait=0)

    assert query_all(paths, queries) == before
    assert result.runs == 5
    assert result.aside == paths.writer.with_name("market.before-20260601T220000Z.duckdb")
    assert duckdb.connect(str(result.aside), read_only=True).execute(
        "SELECT count(*) FROM runs"
    ).fetchall() == [(5,)]
    assert [run.header.run_id for run in rebuildable_landings(paths)] == ["a", "b", "c", "d", "e"]
    assert load(paths) == []


@pytest.mark.slow
def test_rebuild_needs_no_readable_database(paths: WarehousePaths) -> None:
    before = query_rows(paths, "SELECT * EXCLUDE (run_id, last_updated) FROM quotes ORDER BY ALL")
    paths.writer.write_text("ruined")
    result = rebuild(paths, lambda: minute(600), wait=0)
    assert query_rows(paths, "SELECT * EXCLUDE (run_id, last_updated) FROM quotes ORDER BY ALL") == before
    assert result.aside is not None
    assert result.aside.read_text() == "ruined"
    paths.writer.unlink()
    assert rebuild(paths, lambda: minute(700), wait=0).aside is None


@pytest.mark.slow
@pytest.mark.parametrize("pruned", slow_but_first("ab", "a", "abd", "abcd"))
def test_rebuild_takes_over_what_the_landings_do_not_hold(paths: WarehousePaths, pruned: str) -> None:
    queries = [f"SELECT * FROM {view} ORDER BY ALL" for view in public_views(paths) if view != "runs"]
    queries.append("SELECT * EXCLUDE (loaded_at, rows_changed, rows_closed) FROM runs ORDER BY ALL")
    before = query_all(paths, queries)
    for run_id in pruned:
        shutil.rmtree(paths.landing / run_id)
    result = rebuild(paths, lambda: minute(600), wait=0)

    assert query_all(paths, queries) == before
    assert result.taken_over >= len(pruned)
    assert load(paths) == []


@pytest.mark.slow
@pytest.mark.parametrize("damaged", slow_but_first("cd", "a", "b", "d", "ab", "abcde"))
def test_rebuild_keeps_the_rows_of_a_landing_that_loads_no_more(paths: WarehousePaths, damaged: str) -> None:
    """Its rows are in the old database; the landing can still be read, and fails only while it is loaded."""
    views = [view for view in public_views(paths) if view not in {"runs", "alerts"}]
    queries = [f"SELECT * FROM {view} ORDER BY ALL" for view in views]
    queries.append("SELECT * EXCLUDE (loaded_at, rows_changed, rows_closed) FROM runs ORDER BY ALL")
    before = query_all(paths, queries)
    for run_id in damaged:
        (paths.landing / run_id / "done.json").write_text('{"state": "done", "requests": "many"}')
    result = rebuild(paths, lambda: minute(600), wait=0)

    assert query_all(paths, queries) == before
    assert result.runs == 5 - len(damaged)
    assert result.taken_over >= len(damaged)
    alerts = query_rows(paths, "SELECT subject FROM alerts WHERE cause = 'landing.unreadable' ORDER BY ALL")
    assert alerts == [(run_id,) for run_id in damaged]
    assert load(paths) == []


@pytest.mark.slow
def test_rebuild_keeps_what_a_run_beside_the_pruned_one_confirmed(tmp_path: Path) -> None:
    """The second run started before the first one ended, and saw item 1 after that: it stays."""
    paths = create_warehouse(tmp_path)
    pages = [Page(minute(at), [Quote(item)], offset=at) for at, item in ((0, "1"), (10, "2"))]
    land_and_load(paths, "a", ShardSpec(pages))
    pages = [Page(minute(at), [Quote(item)], offset=at) for at, item in ((5, "2"), (20, "1"))]
    land_and_load(paths, "b", ShardSpec(pages, complete=False))
    land_and_load(paths, "c", observe(minute(30), Quote("2"), complete=False))
    shutil.rmtree(paths.landing / "a")
    rebuild(paths, lambda: minute(600), wait=0)

    observed = query_rows(paths, "SELECT item_id, observed_at FROM quotes ORDER BY ALL")
    assert observed == [("1", minute(20)), ("2", minute(30))]


@pytest.mark.slow
def test_each_rebuild_keeps_its_own_backup(paths: WarehousePaths) -> None:
    backups = [rebuild(paths, lambda: minute(600), wait=0).aside for _ in range(3)]
    assert [backup.name.removeprefix("market.before-20260601T220000Z") for backup in backups if backup] == [
        ".duckdb",
        "-2.duckdb",
        "-3.duckdb",
    ]


@pytest.mark.slow
def test_rebuild_of_two_sources_of_which_one_is_landed_as_a_whole(tmp_path: Path) -> None:
    paths = create_warehouse(tmp_path)
    land_and_load(paths, "a", observe(minute(0), Quote("1"), Quote("2")))
    land_and_load(paths, "b", observe(minute(5), Quote("1"), Quote("2")), source="other")
    land_and_load(paths, "c", observe(minute(10), Quote("1")), source="other")
    views = ("quotes", "quote_history", "observations")
    queries = [f"FROM {view} ORDER BY ALL" for view in views]
    before = query_all(paths, queries)
    shutil.rmtree(paths.landing / "a")
    rebuild(paths, lambda: minute(600), wait=0)
    assert query_all(paths, queries) == before


@pytest.mark.slow
def test_rebuild_takes_over_from_the_published_copy(paths: WarehousePaths) -> None:
    before = query_rows(paths, "FROM quote_history ORDER BY ALL")
    shutil.rmtree(paths.landing / "a")
    paths.writer.write_text("ruined")
    rebuild(paths, lambda: minute(600), wait=0)
    assert query_rows(paths, "FROM quote_history ORDER BY ALL") == before


@pytest.mark.slow
def test_rebuild_refuses_where_no_old_database_can_be_read(paths: WarehousePaths) -> None:
    shutil.rmtree(paths.landing / "a")
    for path in (paths.writer, paths.published):
        path.unlink()
        path.write_text("ruined")
    with pytest.raises(WarehouseUnusable, match="restore a backup, or move the damaged file away"):
        rebuild(paths, lambda: minute(600), wait=0)
    assert paths.writer.read_text() == "ruined"
    paths.writer.unlink()
    paths.published.unlink()
    assert rebuild(paths, lambda: minute(700), wait=0).runs == 4


@pytest.mark.slow
def test_rebuild_counts_on_where_the_pruned_runs_doubted_a_loss(tmp_path: Path) -> None:
    """Pruned runs lacked 130 quotes for hours; the landings that are left close them in the rebuild, too."""
    paths, day = create_warehouse(tmp_path), 24 * 60
    for number, at in enumerate((0, 10, 20, day - 5, day + 15, day + 20)):
        quotes = [Quote(str(item)) for item in range(300 if number == 0 else 170)]
        land_and_load(paths, f"r{number}", observe(minute(at), *quotes))
    views = ("quotes", "quote_history", "observations")
    queries = [f"FROM {view} ORDER BY ALL" for view in views]
    before = query_all(paths, queries)
    assert len(before[0]) == 170
    for run_id in ("r0", "r1", "r2"):
        shutil.rmtree(paths.landing / run_id)
    rebuild(paths, lambda: minute(600), wait=0)
    assert query_all(paths, queries) == before


@pytest.mark.slow
def test_log_of_a_killed_writer_moves_with_its_backup(paths: WarehousePaths) -> None:
    subprocess.run(
        [sys.executable, "-c", "import duckdb, os, sys; db = duckdb.connect(sys.argv[1]);"
         "db.execute('CREATE TABLE mine (a INTEGER)'); os._exit(9)", str(paths.writer)],
        check=False,
    )  # fmt: skip
    backup = rebuild(paths, lambda: minute(600), wait=0).aside
    assert backup is not None
    with duckdb.connect(str(backup)) as db:
        assert db.execute("SELECT count(*) FROM mine").fetchall() == [(0,)]
    assert dump_facts(paths)["run"]
    load(paths)


@pytest.mark.slow
def test_last_run_of_a_basket_mixes_no_values_of_earlier_runs(tmp_path: Path) -> None:
    paths = create_warehouse(tmp_path)
    facts = {"requests": 3, "quota_remaining": 900, "incomplete_reason": "the quota is used up"}
    land_and_load(
        paths, "a", observe(minute(0), Quote()), state="incomplete", facts=facts, interval_seconds=600
    )
    land_and_load(paths, "b", observe(minute(10), Quote()), facts={"requests": 5}, interval_seconds=None)
    land_and_load(paths, "c", observe(minute(20), Quote()), flow="backfill")
    # dated ahead by a wrong clock
    land_and_load(paths, "d", observe(minute(1000), Quote()), facts={"requests": 7})

    (last,) = run_query(paths, LAST_RUNS, {"latest": minute(30)}).records()
    assert last == {
        "basket": "all", "source": "cs2cap", "last_success": minute(10), "last_state": "done",
        "last_reason": None, "rows_fetched": 1, "rows_changed": 0, "requests": 5, "quota_remaining": None,
        "interval_seconds": None,
    }  # fmt: skip
