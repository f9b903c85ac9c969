"""Opening, migrating and publishing the database: the files on disk, and what is refused."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import duckdb
import pytest

from common.warehouse_errors import DatabaseIncomplete, WarehouseFull, WarehouseUnusable
from tests.support.warehouse import (
    Quote,
    create_warehouse,
    current_prices,
    land,
    land_and_load,
    load,
    minute,
    observe,
    query_rows,
)
from warehouse.database import open_reader, open_writer
from warehouse.migration import schema_version
from warehouse.paths import WarehousePaths
from warehouse.publish import publish
from warehouse.queries.runner import previously_listed_providers, run_query

NEWEST = 23
# Opens a database read-write, leaves a change in the write-ahead log, prints "ready" and waits to be killed.
of_files = pytest.mark.file_warehouse("is about the database's file, or its published copy")
INTRUDER = """
import duckdb, sys, time
db = duckdb.connect(sys.argv[1])
db.execute("CREATE TABLE intruder (a INTEGER)")
db.execute("INSERT INTO intruder VALUES (1)")
print("ready", flush=True)
time.sleep(60)
"""


def listed_providers(
    paths: WarehousePaths,
    source: str = "cs2cap",
    currency: str = "USD",
    *,
    item_ids: Sequence[str] | None = None,
    excluded: Sequence[str] = (),
) -> set[str]:
    return previously_listed_providers(
        paths, source, currency, deliveries=["standard"], item_ids=item_ids, excluded=excluded
    )


def test_new_file_is_migrated_once(tmp_path: Path) -> None:
    path = tmp_path / "market.duckdb"
    for _ in range(2):
        with open_writer(path) as db:
            assert schema_version(db) == NEWEST
            assert db.execute("SELECT count(*) FROM store.schema_version").fetchall() == [(NEWEST,)]
            assert db.execute("SELECT count(*) FROM quotes").fetchall() == [(0,)]


def test_schema_of_a_newer_floorline_is_refused_and_loads_nothing(tmp_path: Path) -> None:
    paths = create_warehouse(tmp_path)
    with open_writer(paths.loader_database) as db:
        db.execute("INSERT INTO store.schema_version VALUES (99, now())")
    landing = land(paths, "a", observe(minute(0), Quote()))
    with pytest.raises(WarehouseUnusable, match=r"has schema 99, this Floorline knows \d.*update Floorline"):
        load(paths)
    assert not (landing / "loaded").exists()


@of_files
def test_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    paths = create_warehouse(tmp_path)
    paths.writer.write_text("not a database" * 1000)
    with pytest.raises(WarehouseUnusable, match="cannot be read"):
        load(paths)


def test_query_without_a_database_names_the_command_to_run(tmp_path: Path) -> None:
    with pytest.raises(WarehouseUnusable, match="floorline snapshot"):
        run_query(WarehousePaths(tmp_path), "SELECT 1")
    assert listed_providers(WarehousePaths(tmp_path)) == set()


@pytest.mark.parametrize("root", ["file", "file/below"])
def test_path_that_cannot_be_a_folder_is_refused(tmp_path: Path, root: str) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(WarehouseUnusable, match="set \\[warehouse\\] path"):
        WarehousePaths(tmp_path / root).prepare()


def test_folder_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    if os.access(tmp_path, os.W_OK):
        pytest.skip("this user may write everywhere")
    with pytest.raises(WarehouseUnusable, match="cannot write to"):
        WarehousePaths(tmp_path / "data").prepare()


def test_too_little_free_space_is_refused(tmp_path: Path) -> None:
    paths = create_warehouse(tmp_path)
    paths.ensure_free_space(0)
    with pytest.raises(WarehouseFull, match="MB free and a run needs"):
        paths.ensure_free_space(1 << 60)


@of_files
def test_published_database_is_a_complete_read_only_copy(tmp_path: Path) -> None:
    paths = create_warehouse(tmp_path)
    land_and_load(paths, "a", observe(minute(0), Quote()))
    assert paths.published.stat().st_mode & 0o777 == 0o400
    assert paths.published.read_bytes() == paths.writer.read_bytes()
    assert {path.name for path in tmp_path.iterdir()} == {
        "market.duckdb", "writer", "landing", "catalog", "state.db",
    }  # fmt: skip
    with open_reader(paths.published_database) as db, pytest.raises(duckdb.Error, match="read-only"):
        db.execute("CREATE TABLE a (b INTEGER)")


@of_files
def test_partial_copy_of_a_killed_publish_is_replaced_and_not_overwritten(tmp_path: Path) -> None:
    paths = create_warehouse(tmp_path)
    partial = tmp_path / "market.duckdb.partial"
    partial.write_text("half a copy")
    partial.chmod(0o444)
    other_name = tmp_path / "other-name"
    os.link(partial, other_name)
    land_and_load(paths, "a", observe(minute(0), Quote()))
    assert other_name.read_text() == "half a copy"
    assert not partial.exists()


@pytest.mark.slow
@of_files
def test_open_reader_keeps_its_data_while_new_copies_are_published(tmp_path: Path) -> None:
    paths = create_warehouse(tmp_path)
    land_and_load(paths, "r0", observe(minute(0), Quote(cents=100)))
    with open_reader(paths.published_database) as early:
        for number in range(1, 4):
            land_and_load(paths, f"r{number}", observe(minute(number), Quote(cents=100 + number)))
            # Within a process DuckDB shares one database per path, so the second reader is another process.
            reader = subprocess.run(
                [sys.executable, "-c", "import duckdb, sys; print(duckdb.connect(sys.argv[1], read_only=True)"
                 ".execute('SELECT lowest_ask FROM quotes').fetchall())", str(paths.published)],
                check=True, capture_output=True, text=True,
            )  # fmt: skip
            assert reader.stdout.strip() == f"[({100 + number},)]"
        assert early.execute("SELECT lowest_ask FROM quotes").fetchall() == [(100,)]


@pytest.mark.slow
@of_files
def test_log_of_a_killed_reader_that_wrote_is_deleted_by_the_next_publish(tmp_path: Path) -> None:
    paths = create_warehouse(tmp_path)
    land_and_load(paths, "a", observe(minute(0), Quote(cents=100)))
    paths.published.chmod(0o644)
    with subprocess.Popen(
        [sys.executable, "-c", INTRUDER, str(paths.published)], stdout=subprocess.PIPE, text=True
    ) as intruder:
        assert intruder.stdout is not None
        assert intruder.stdout.readline() == "ready\n"
        intruder.send_signal(signal.SIGKILL)
    log = paths.published.with_name("market.duckdb.wal")
    assert log.exists()
    land_and_load(paths, "b", observe(minute(10), Quote(cents=120)))

    assert not log.exists()
    assert query_rows(paths, "SELECT lowest_ask FROM quotes") == [(120,)]
    assert query_rows(paths, "SELECT count(*) FROM duckdb_tables() WHERE table_name = 'intruder'") == [(0,)]


@of_files
def test_publish_that_fails_leaves_the_old_copy(tmp_path: Path) -> None:
    paths = create_warehouse(tmp_path)
    land_and_load(paths, "a", observe(minute(0), Quote()))
    paths.writer.unlink()
    with pytest.raises(DatabaseIncomplete, match=r"there is no database at .* to publish"):
        publish(paths)
    assert set(current_prices(paths)) == {"1"}
    assert not (tmp_path / "market.duckdb.partial").exists()


def test_previously_listed_providers_depend_on_source_currency_and_items(tmp_path: Path) -> None:
    paths = create_warehouse(tmp_path)
    both = ("steam", "buff163")
    land_and_load(paths, "a", observe(minute(0), Quote("1"), Quote("2", provider="buff163"), providers=both))
    assert listed_providers(paths) == {"steam", "buff163"}
    assert listed_providers(paths, excluded=["steam"]) == {"buff163"}
    assert listed_providers(paths, item_ids=["1"]) == {"steam"}
    assert listed_providers(paths, currency="EUR") == set()
    assert listed_providers(paths, source="other") == set()


@pytest.mark.parametrize("create", [os.mkfifo, os.mkdir])
def test_what_is_no_file_is_refused(tmp_path: Path, create: Callable[[Path], None]) -> None:
    """New: whoever opened a pipe waited for ever."""
    create(path := tmp_path / "market.duckdb")
    for open_database in (open_reader, open_writer):
        with pytest.raises(WarehouseUnusable, match="is not a file"), open_database(path):
            pass
