"""Opening the database: the one writer under its lock, readers of the published copy, migrations."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
from collections.abc import Iterator
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

import duckdb
from filelock import FileLock, Timeout

from common.errors import NotPublished, WarehouseError, WarehouseFull, WarehouseLocked, WarehouseUnusable
from common.files import translate_os_errors
from warehouse.paths import WarehousePaths

SQL = resources.files("warehouse") / "sql"
HELD = re.compile(r"Conflicting lock is held in (?P<program>.*?) ?\(PID (?P<pid>\d+)\)")
# What is freed goes back at once: held by the allocator, it would come on top of the limit.
WRITER_SETTINGS = {
    "memory_limit": "180MB",
    "preserve_insertion_order": "false",
    "allocator_flush_threshold": "4MB",
    "allocator_bulk_deallocation_flush_threshold": "4MB",
}


def translate_duckdb_error(error: duckdb.Error, path: Path) -> WarehouseError | None:
    """What a DuckDB error means to the user, where it is not a bug of ours."""
    text = str(error)
    if "No space left on device" in text:
        return WarehouseFull(f"no space left on the disk of {path}", path)
    if "Could not set lock on file" in text:
        held = HELD.search(text)
        holder = f"{held['program'] or 'a process'} (PID {held['pid']})" if held else "another process"
        return WarehouseLocked(f"{path} is locked by {holder}", path, holder=holder)
    if "not a valid DuckDB database file" in text or "read a database file with version" in text:
        return WarehouseUnusable(f"{path} is not a database that this Floorline can read", path)
    return None


@contextlib.contextmanager
def translate_duckdb_errors(path: Path) -> Iterator[None]:
    """Turn DuckDB's and the system's word of a locked or full disk into our errors."""
    try:
        with translate_os_errors(path):
            yield
    except duckdb.Error as error:
        known = translate_duckdb_error(error, path)
        if known is None:
            raise
        raise known from None


@contextlib.contextmanager
def writer_lock(home: WarehousePaths, wait: float) -> Iterator[None]:
    """The lock of the one writer. Raise WarehouseLocked where it is not free within `wait` seconds."""
    note = home.lock.with_name("lock.holder")
    lock = FileLock(home.lock)
    try:
        with translate_os_errors(home.lock):
            lock.acquire(timeout=wait)
    except Timeout:
        holder = _lock_holder(note)
        detail = f"{home.writer} has been written by {holder} for more than {wait:g} s"
        raise WarehouseLocked(detail, home.writer, holder=holder) from None
    try:
        with contextlib.suppress(OSError):  # it only helps to name the holder; a full disk shows later
            note.write_text(str(os.getpid()))
        yield
    finally:
        note.unlink(missing_ok=True)
        lock.release()


def _lock_holder(note: Path) -> str:
    try:
        return f"PID {int(note.read_text())}"
    except (OSError, ValueError):
        return "another process"


@contextlib.contextmanager
def open_writer(path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """The loader's database, migrated, checkpointed on a clean exit. Call it under `writer_lock`."""
    with translate_duckdb_errors(path):
        connection = duckdb.connect(str(path), config=dict(WRITER_SETTINGS))
        try:
            connection.execute("SET TimeZone = 'UTC'")
            migrate(connection, path)
            yield connection
            connection.execute("CHECKPOINT")
        finally:
            connection.close()


@contextlib.contextmanager
def open_reader(path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A database file for reading, with times shown in UTC."""
    if not path.exists():
        raise NotPublished(f"there is no database at {path} yet", path)
    with translate_duckdb_errors(path), duckdb.connect(str(path), read_only=True) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        yield connection


def migrate(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    """Bring the schema forward, each step in a transaction, and then its views."""
    version = schema_version(connection)
    steps = sorted(_steps().items())
    if version > steps[-1][0]:
        raise WarehouseUnusable(f"{path} has schema {version}, this Floorline knows {steps[-1][0]}", path)
    for number, step in steps[version:]:
        connection.begin()
        connection.execute(step.read_text())
        connection.execute("INSERT INTO store.schema_version VALUES (?, now())", [number])
        connection.commit()
    _make_views(connection, steps[-1][0])


def _make_views(connection: duckdb.DuckDBPyConnection, version: int) -> None:
    """Make the views anew, unless the database has just these, of this version's tables."""
    files = sorted((SQL / "views").iterdir(), key=lambda file: file.name)
    views = "\n".join(file.read_text() for file in files if file.name.endswith(".sql"))
    digest = hashlib.blake2b(f"{version} {views}".encode(), digest_size=16).hexdigest()
    if connection.execute("SELECT 1 FROM store.views_made WHERE digest = ?", [digest]).fetchall():
        return
    connection.begin()
    connection.execute(views)
    connection.execute("DELETE FROM store.views_made")
    connection.execute("INSERT INTO store.views_made VALUES (?)", [digest])
    connection.commit()


def schema_version(connection: duckdb.DuckDBPyConnection) -> int:
    """The schema's version; 0 for a new file."""
    found = connection.execute(
        "SELECT 1 FROM duckdb_tables() WHERE schema_name = 'store' AND table_name = 'schema_version'"
    ).fetchall()
    if not found:
        return 0
    return int(connection.execute("SELECT max(version) FROM store.schema_version").fetchall()[0][0])


def _steps() -> dict[int, Traversable]:
    return {int(file.name[:4]): file for file in (SQL / "migrations").iterdir() if file.name.endswith(".sql")}
