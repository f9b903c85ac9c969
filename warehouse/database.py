"""Open the DuckDB database: one writer under a lock, readers of the published copy; migrate the schema."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final

import duckdb

from common.errors import FloorlineError
from common.files import require_file, translate_os_errors
from common.machine_errors import ResourceExhausted, UnexpectedFailure, find_refusal
from common.shortages import LACK, is_shortage, name_place
from common.text import sanitize
from common.warehouse_errors import (
    DatabaseUnreadable,
    NotPublished,
    PublishedUnreadable,
    WarehouseError,
    WarehouseFull,
    WarehouseLocked,
    WarehouseUnusable,
)
from warehouse.lease import WRITER, IsHeld, LeaseHeld, hold_lease
from warehouse.migration import migrate
from warehouse.paths import Database, WarehousePaths
from warehouse.views.definitions import rename_guard
from warehouse.views.quote_states import name_sealed_files

LOCK_HOLDER: Final = re.compile(r"Conflicting lock is held in (?P<program>.*?) ?\(PID (?P<pid>\d+)\)")
# A part of DuckDB's message, our error and its detail.
ERRORS: Final[Mapping[str, tuple[type[WarehouseError], str]]] = {
    "No space left on device": (WarehouseFull, "no space left on the disk of {path}"),
    "max_temp_directory_size": (WarehouseFull, "no space left on the disk of {path}"),
    "File too large": (WarehouseFull, "no file of this process may grow that large (`ulimit -f`): {path}"),
    "Corrupt database file": (DatabaseUnreadable, "{path} is damaged: a part of it is not what was written"),
    "not a valid DuckDB database file": (DatabaseUnreadable, "{path} is not a database"),
    "read a database file with version": (
        WarehouseUnusable, "{path} is not a database that this Floorline can read"
    ),
    "Cannot open file": (
        WarehouseUnusable, "{path} cannot be opened: check its folder and the permissions"
    ),
}  # fmt: skip
# Errors of our own SQL, which say nothing of the file.
NO_DAMAGE: Final = (
    duckdb.ParserException,
    duckdb.SyntaxException,
    duckdb.BinderException,
    duckdb.NotSupportedError,
    duckdb.InterruptException,
    duckdb.PermissionException,
)
# memory_limit does not count freed memory that the allocator has not returned: return it at once.
# DuckDB takes a temporary table of a transaction for empty, and would join its many rows one by one.
WRITER_SETTINGS: Final = {
    "asof_loop_join_threshold": "0",
    "memory_limit": "180MB",
    "preserve_insertion_order": "false",
    "allocator_flush_threshold": "4MB",
    "allocator_bulk_deallocation_flush_threshold": "4MB",
}
# Every commit goes into the file itself, and none into a write-ahead log. Where the path has a question mark,
# DuckDB takes it for a URL and puts `.wal` before the question mark: into a folder that does not exist.
WITHOUT_LOG: Final[Mapping[str, str]] = {
    "wal_autocheckpoint": "0B",
    "auto_checkpoint_skip_wal_threshold": "0",
}


def translate_duckdb_error(error: duckdb.Error, path: Path) -> FloorlineError | None:
    """Return our error for a locked, full, damaged or foreign file, and for a lack of memory or descriptors.

    None for any other error of DuckDB.
    """
    text = str(error)
    if "Could not set lock on file" in text:
        match = LOCK_HOLDER.search(text)
        holder = f"{match['program'] or 'a process'} (PID {match['pid']})" if match else "another process"
        return WarehouseLocked(f"{path} is locked by {holder}", path, holder=holder)
    known = next((ERRORS[part] for part in ERRORS if part in text), None)
    # Before what is said of the file: a shortage says nothing of it.
    if is_shortage(error) and (known is None or known[0] is not WarehouseFull):
        return ResourceExhausted(f"{LACK} for {path}")
    if known is not None and known[0] is WarehouseUnusable and (refused := find_refusal(path)):
        return WarehouseUnusable(f"{path} cannot be opened: {refused}", path)
    return known and known[0](known[1].format(path=path), path)


@contextlib.contextmanager
def translate_duckdb_errors(path: Path) -> Iterator[None]:
    """Raise an error of ours for every error of DuckDB: of the file, or ResourceExhausted."""
    try:
        with translate_os_errors(path):
            yield
    except duckdb.Error as error:
        known = translate_duckdb_error(error, path)
        if known is not None:
            raise known from None
        if isinstance(error, NO_DAMAGE):
            raise UnexpectedFailure(name_place(error)) from error
        raise DatabaseUnreadable(f"{path}: {sanitize(str(error), 400)}", path) from error


@contextlib.contextmanager
def writer_lock(paths: WarehousePaths, wait: float) -> Iterator[IsHeld]:
    """Hold the lease of the one writer; yield whether it is held, as a function.

    Raises WarehouseLocked where it is not free within `wait` seconds.
    """
    try:
        with hold_lease(paths, WRITER, wait) as is_held:
            _wait_for_killed_writer(paths.writer, wait)
            yield is_held
    except LeaseHeld as held:
        detail = f"{paths.loader_database} has been written by {held.holder} for more than {wait:g} s"
        raise WarehouseLocked(detail, paths.writer, holder=held.holder) from None


def _wait_for_killed_writer(path: Path, wait: float) -> None:
    """Wait until no process holds DuckDB's lock of the database; DuckDB names one that holds it after `wait`.

    The system frees the locks of a killed writer one after the other, and a process that loads one landing
    for that writer ends a moment later.
    """
    require_file(path)
    give_up = time.monotonic() + wait
    with translate_os_errors(path), contextlib.suppress(FileNotFoundError), path.open("r+b") as file:
        while time.monotonic() < give_up:
            with contextlib.suppress(BlockingIOError):
                fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # closing the file frees this lock
                break
            time.sleep(0.05)


def open_writer(database: Database) -> AbstractContextManager[duckdb.DuckDBPyConnection]:
    """Open and migrate the loader's database, a file or a lake, under `writer_lock`."""
    if isinstance(database, Path):
        return _open_file(database)
    from warehouse.lake.writer import open_lake_writer  # only a shared warehouse needs it

    return open_lake_writer(database)


@contextlib.contextmanager
def _open_file(path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open and migrate the loader's file; checkpoint it on a clean exit."""
    with translate_duckdb_errors(path):
        log = WITHOUT_LOG if "?" in os.path.realpath(path) else {}
        connection = duckdb.connect(duckdb_path(path), config={**WRITER_SETTINGS, **log})
        try:
            connection.execute("SET TimeZone = 'UTC'")
            with name_sealed_files(connection):
                migrate(connection, path)
                yield connection
            # `publish` copies the file without its write-ahead log: this last commit is a checkpoint.
            for name, value in WITHOUT_LOG.items():
                connection.execute(f"SET {name} = '{value}'")
            rename_guard(connection)
            connection.execute("CHECKPOINT")  # does nothing but where other transactions prevented that
        finally:
            connection.close()


def connect_reader(path: Path) -> duckdb.DuckDBPyConnection:
    """Open a database file read-only, in the time zone UTC. Raises NotPublished where there is no file."""
    if not path.exists():
        raise NotPublished(f"there is no database at {path} yet", path)
    with translate_duckdb_errors(path):
        connection = duckdb.connect(duckdb_path(path), read_only=True)
        connection.execute("SET TimeZone = 'UTC'")
        return connection


@contextlib.contextmanager
def open_published(paths: WarehousePaths) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open what readers see as `open_reader` does. Raises PublishedUnreadable where a file is damaged."""
    try:
        with open_reader(paths.published_database) as db:
            yield db
    except DatabaseUnreadable as error:
        raise PublishedUnreadable(error.detail, error.path) from error


def open_reader(database: Database) -> AbstractContextManager[duckdb.DuckDBPyConnection]:
    """Open a file as `connect_reader` does, or a lake read-only; errors of the block are errors of it."""
    if isinstance(database, Path):
        return _read_file(database)
    from warehouse.lake.connection import attach_lake  # only a shared warehouse needs it

    return attach_lake(database, read_only=True)


@contextlib.contextmanager
def _read_file(path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with (
        translate_duckdb_errors(path),
        connect_reader(path) as connection,
        name_sealed_files(connection),
    ):
        yield connection


def duckdb_path(path: Path) -> str:
    """Return a path as DuckDB takes it: whole, because `~`, `:memory:` and `s3:` at its start have a meaning.

    Raises WarehouseUnusable for a path that is not UTF-8, or is no file.
    """
    require_file(path)
    try:
        return os.fsencode(path.absolute()).decode("utf-8")
    except UnicodeDecodeError:
        raise WarehouseUnusable(f"{path} is not UTF-8 text, and DuckDB opens no such path", path) from None


def quote_path(path: Path) -> str:
    """Return a path as a literal of SQL. Raises as `duckdb_path`."""
    return "'" + duckdb_path(path).replace("'", "''") + "'"
