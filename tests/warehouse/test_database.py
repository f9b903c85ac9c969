"""Opening, migrating, publishing: what is on disk, for whom, and what is refused."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from common.errors import WarehouseFull, WarehouseUnusable
from tests.support.warehouse import Quote, home_in, land, load, look, minute, prices, rows, snapshot
from warehouse.database import open_reader, open_writer, schema_version
from warehouse.paths import WarehousePaths
from warehouse.publish import publish
from warehouse.queries import previously_listed_providers, run_query

NEWEST = 6
# Opens a database read-write, leaves something in its log, says so and waits to be killed.
INTRUDER = """
import duckdb, sys, time
db = duckdb.connect(sys.argv[1])
db.execute("CREATE TABLE intruder (a INTEGER)")
db.execute("INSERT INTO intruder VALUES (1)")
print("ready", flush=True)
time.sleep(60)
"""


def test_a_new_file_is_migrated_and_a_known_one_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "market.duckdb"
    for _ in range(2):
        with open_writer(path) as db:
            assert schema_version(db) == NEWEST
            assert db.execute("SELECT count(*) FROM store.schema_version").fetchall() == [(NEWEST,)]
            assert db.execute("SELECT count(*) FROM quotes").fetchall() == [(0,)]


def test_a_schema_from_a_newer_floorline_is_refused_and_untouched(tmp_path: Path) -> None:
    home = home_in(tmp_path)
    with open_writer(home.writer) as db:
        db.execute("INSERT INTO store.schema_version VALUES (99, now())")
    waiting = land(home, "a", look(minute(0), Quote()))
    with pytest.raises(WarehouseUnusable, match=r"has schema 99, this Floorline knows \d.*update Floorline"):
        load(home)
    assert not (waiting / "loaded").exists()


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    home = home_in(tmp_path)
    home.writer.write_text("not a database" * 1000)
    with pytest.raises(WarehouseUnusable, match="is not a database"):
        load(home)


def test_a_reader_without_a_database_is_told_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(WarehouseUnusable, match="floorline snapshot"):
        run_query(WarehousePaths(tmp_path), "SELECT 1")
    assert (
        previously_listed_providers(WarehousePaths(tmp_path), "cs2cap", "USD", ["standard"], None, [])
        == set()
    )


@pytest.mark.parametrize("root", ["file", "file/below"])
def test_a_path_that_cannot_be_a_folder_is_refused(tmp_path: Path, root: str) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(WarehouseUnusable, match="set \\[warehouse\\] path"):
        WarehousePaths(tmp_path / root).prepare()


def test_a_folder_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    if os.access(tmp_path, os.W_OK):
        pytest.skip("this user may write everywhere")
    with pytest.raises(WarehouseUnusable, match="cannot write to"):
        WarehousePaths(tmp_path / "data").prepare()


def test_room_is_checked_before_a_run(tmp_path: Path) -> None:
    home = home_in(tmp_path)
    home.ensure_free_space(0)
    with pytest.raises(WarehouseFull, match="MB free and a run wants"):
        home.ensure_free_space(1 << 60)


def test_what_is_published_is_read_only_and_whole(tmp_path: Path) -> None:
    home = home_in(tmp_path)
    snapshot(home, "a", look(minute(0), Quote()))
    assert home.published.stat().st_mode & 0o777 == 0o444
    assert home.published.read_bytes() == home.writer.read_bytes()
    assert {path.name for path in tmp_path.iterdir()} == {
        "market.duckdb", "writer", "landing", "catalog", "state.db",
    }  # fmt: skip
    with open_reader(home.published) as db, pytest.raises(duckdb.Error, match="read-only"):
        db.execute("CREATE TABLE a (b INTEGER)")


def test_a_copy_that_a_killed_publish_left_is_replaced_and_not_written_into(tmp_path: Path) -> None:
    home = home_in(tmp_path)
    partial = tmp_path / "market.duckdb.partial"
    partial.write_text("half a copy")
    partial.chmod(0o444)
    other_name = tmp_path / "other-name"
    os.link(partial, other_name)
    snapshot(home, "a", look(minute(0), Quote()))
    assert other_name.read_text() == "half a copy"
    assert not partial.exists()


def test_readers_keep_what_they_opened_while_files_are_swapped(tmp_path: Path) -> None:
    home = home_in(tmp_path)
    snapshot(home, "r0", look(minute(0), Quote(cents=100)))
    with open_reader(home.published) as early:
        for number in range(1, 4):
            snapshot(home, f"r{number}", look(minute(number), Quote(cents=100 + number)))
            # DuckDB shares one database a path within a process: another process is another reader
            told = subprocess.run(
                [sys.executable, "-c", "import duckdb, sys; print(duckdb.connect(sys.argv[1], read_only=True)"
                 ".execute('SELECT lowest_ask FROM quotes').fetchall())", str(home.published)],
                check=True, capture_output=True, text=True,
            )  # fmt: skip
            assert told.stdout.strip() == f"[({100 + number},)]"
        assert early.execute("SELECT lowest_ask FROM quotes").fetchall() == [(100,)]


def test_a_killed_intruder_does_not_spoil_the_next_publish(tmp_path: Path) -> None:
    home = home_in(tmp_path)
    snapshot(home, "a", look(minute(0), Quote(cents=100)))
    home.published.chmod(0o644)
    with subprocess.Popen(
        [sys.executable, "-c", INTRUDER, str(home.published)], stdout=subprocess.PIPE, text=True
    ) as intruder:
        assert intruder.stdout is not None
        assert intruder.stdout.readline() == "ready\n"
        intruder.send_signal(signal.SIGKILL)
    log = home.published.with_name("market.duckdb.wal")
    assert log.exists()
    snapshot(home, "b", look(minute(10), Quote(cents=120)))

    assert not log.exists()
    assert rows(home, "SELECT lowest_ask FROM quotes") == [(120,)]
    assert rows(home, "SELECT count(*) FROM duckdb_tables() WHERE table_name = 'intruder'") == [(0,)]


def test_a_publish_that_fails_leaves_the_old_copy(tmp_path: Path) -> None:
    home = home_in(tmp_path)
    snapshot(home, "a", look(minute(0), Quote()))
    home.writer.unlink()
    with pytest.raises(FileNotFoundError):
        publish(home)
    assert set(prices(home)) == {"1"}
    assert not (tmp_path / "market.duckdb.partial").exists()


def test_providers_that_listed_these_items_before(tmp_path: Path) -> None:
    home = home_in(tmp_path)
    both = ("steam", "buff163")
    snapshot(home, "a", look(minute(0), Quote("1"), Quote("2", provider="buff163"), providers=both))
    assert previously_listed_providers(home, "cs2cap", "USD", ["standard"], None, []) == {"steam", "buff163"}
    assert previously_listed_providers(home, "cs2cap", "USD", ["standard"], None, ["steam"]) == {"buff163"}
    assert previously_listed_providers(home, "cs2cap", "USD", ["standard"], ["1"], []) == {"steam"}
    assert previously_listed_providers(home, "cs2cap", "EUR", ["standard"], None, []) == set()
    assert previously_listed_providers(home, "other", "USD", ["standard"], None, []) == set()
