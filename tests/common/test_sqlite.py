"""`state.db` has one schema with a version, and opens whoever created the file."""

import contextlib
import os
import sqlite3
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from common.sqlite import find_damage, open_state_db, read_state_db, state_transaction
from common.state_schema import SCHEMA, SCHEMA_VERSION
from common.warehouse_errors import WarehouseUnusable

TABLES = [
    "alert", "backfill", "backfill_shard", "budget", "channel_trial", "feed_slot", "hold", "missed_tick",
    "rejection", "row_copy", "slot",
    "stream_limit", "stream_start", "telling",
]  # fmt: skip
# Each part of Floorline created only its own tables before the schema had a version.
OLD_RATE_LIMITS = SCHEMA[SCHEMA.index("CREATE TABLE IF NOT EXISTS budget") :]


def execute(path: Path, script: str) -> None:
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.executescript(script)


def describe(path: Path) -> tuple[Sequence[str], int, str]:
    """Return the tables, the schema version and the journal mode of a `state.db`."""
    tables = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name"
    with contextlib.closing(sqlite3.connect(path)) as db:
        return (
            [name for (name,) in db.execute(tables)],
            db.execute("PRAGMA user_version").fetchone()[0],
            db.execute("PRAGMA journal_mode").fetchone()[0],
        )


@contextlib.contextmanager
def read_only_file(schema: str) -> Iterator[Path]:
    """Yield a `state.db` without a schema version that this process may read, but not write, even as root."""
    user = os.geteuid()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "state.db"
        execute(path, f"{schema} INSERT INTO budget (key_print, source, used) VALUES ('f00d', 'cs2cap', 7);")
        path.chmod(0o444)
        path.parent.chmod(0o555)
        with contextlib.ExitStack() as as_other_user:
            if user == 0:
                os.seteuid(65534)
                as_other_user.callback(os.seteuid, user)
            yield path


def test_new_file_gets_all_tables_and_the_schema_version(tmp_path: Path) -> None:
    open_state_db(tmp_path / "state.db").close()
    assert describe(tmp_path / "state.db") == (TABLES, SCHEMA_VERSION, "wal")


@pytest.mark.parametrize("old_schema", [OLD_RATE_LIMITS, SCHEMA], ids=["rate limits only", "all tables"])
def test_file_without_a_schema_version_keeps_its_rows(tmp_path: Path, old_schema: str) -> None:
    path = tmp_path / "state.db"
    execute(path, f"{old_schema} INSERT INTO budget (key_print, source, used) VALUES ('f00d', 'cs2cap', 7);")
    with state_transaction(path) as db:
        assert [tuple(row) for row in db.execute("SELECT key_print, used FROM budget")] == [("f00d", 7)]
    assert describe(path) == (TABLES, SCHEMA_VERSION, "wal")


def test_tables_that_an_older_version_wrote_with_other_blanks_are_whole(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    execute(path, SCHEMA.replace(",", " , ") + "CREATE TABLE mine (a INTEGER)")
    open_state_db(path).close()
    assert find_damage(path) is None


def test_read_only_file_without_a_schema_version_is_read() -> None:
    with read_only_file(SCHEMA) as path, state_transaction(path) as db:
        assert [tuple(row) for row in db.execute("SELECT key_print, used FROM budget")] == [("f00d", 7)]


def test_read_only_file_without_all_tables_is_read_as_far_as_it_has_them() -> None:
    with read_only_file(OLD_RATE_LIMITS) as path:
        with state_transaction(path) as db:
            assert db.execute("SELECT used FROM budget").fetchone()[0] == 7
        with (
            pytest.raises(WarehouseUnusable, match="may not write to the file"),
            state_transaction(path) as db,
        ):
            db.execute("SELECT * FROM alert")
        with pytest.raises(WarehouseUnusable, match="cannot write to"), state_transaction(path) as db:
            db.execute("DELETE FROM budget")


def test_file_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    execute(path, f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    with pytest.raises(WarehouseUnusable, match=f"has schema {SCHEMA_VERSION + 1}, this Floorline knows"):
        open_state_db(path)
    assert describe(path)[0] == []


def test_up_to_date_file_opens_while_another_connection_writes(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    with contextlib.closing(open_state_db(path)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        with state_transaction(path) as db:
            assert db.execute("SELECT count(*) FROM alert").fetchone()[0] == 0


@pytest.mark.slow
def test_several_threads_create_one_file(tmp_path: Path) -> None:
    """A thread that read the version of the empty file must not compare it with what another one wrote."""
    with ThreadPoolExecutor(8) as pool:
        for number in range(30):
            path = tmp_path / f"{number}.db"
            list(pool.map(lambda _, path=path: open_state_db(path).close(), range(8)))
            assert describe(path) == (TABLES, SCHEMA_VERSION, "wal")


@pytest.mark.slow
def test_reading_while_others_open_and_close_the_file(tmp_path: Path) -> None:
    """The last process that closes the file deletes its log."""
    path, stopped = tmp_path / "state.db", threading.Event()
    open_state_db(path).close()

    def use() -> None:
        while not stopped.is_set():
            db = open_state_db(path)
            db.execute("INSERT OR REPLACE INTO hold VALUES ('key', 'source', 'now')")
            db.close()

    other = threading.Thread(target=use)
    other.start()
    try:
        for _ in range(600):
            with read_state_db(path, "hold") as db:
                db.execute("SELECT * FROM hold").fetchall()
    finally:
        stopped.set()
        other.join()


def test_error_rolls_the_transaction_back(tmp_path: Path) -> None:
    path = tmp_path / "state.db"

    def insert_and_fail() -> None:
        with state_transaction(path) as db:
            db.execute("INSERT INTO stream_start VALUES ('f00d', 'prices', 0)")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        insert_and_fail()
    with state_transaction(path) as db:
        assert db.execute("SELECT count(*) FROM stream_start").fetchone()[0] == 0


@pytest.mark.parametrize("create", [os.mkfifo, os.mkdir])
def test_what_is_no_file_is_refused(tmp_path: Path, create: Callable[[Path], None]) -> None:
    """New: whoever opened a pipe waited for ever."""
    path = tmp_path / "state.db"
    create(path)
    with pytest.raises(WarehouseUnusable, match=r"state\.db is not a file"):
        open_state_db(path)
    with pytest.raises(WarehouseUnusable), read_state_db(path, "alert"):
        pass
    with pytest.raises(WarehouseUnusable):
        find_damage(path)
