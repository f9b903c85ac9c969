"""state.db: the SQLite file of alerts, backfills and rate limits that all processes of a machine share.

One schema with a version, one way to open the file, and SQLite's errors as errors of ours.
"""

from __future__ import annotations

import contextlib
import resource
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from shutil import disk_usage
from typing import Final

from common.errors import FloorlineError
from common.files import require_file
from common.machine_errors import DiskFailed, ResourceExhausted, find_refusal, no_space
from common.shortages import LACK, lacks_descriptors
from common.state_database import LOCK_TIMEOUT
from common.state_schema import SCHEMA_VERSION, copied_tables, create_statements
from common.text import sanitize
from common.warehouse_errors import StateDamaged, WarehouseLocked, WarehouseUnusable

FAILED_WRITES: Final = frozenset(
    {sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_IOERR_FSYNC, sqlite3.SQLITE_IOERR_TRUNCATE}
    | {sqlite3.SQLITE_IOERR_SHMSIZE, sqlite3.SQLITE_IOERR_SHMMAP, sqlite3.SQLITE_IOERR_LOCK}
)
LONGEST_PATH: Final = 500  # bytes; SQLite adds -journal
# SQLite's codes where it cannot create or extend a file, or use the one that processes share.
NOT_WRITABLE: Final = frozenset(
    {sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL}
)
# What must be as in a new file: columns, triggers, names of indexes. An older version may have written the
# statements of its tables with other blanks.
SHAPES: Final = (
    """SELECT t.name, c.name, c.type, c."notnull", c.pk FROM sqlite_schema t, pragma_table_info(t.name) c
    WHERE t.type = 'table'""",
    "SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'",
    "SELECT name FROM sqlite_schema WHERE type = 'index'",
)


def open_state_db(path: Path) -> sqlite3.Connection:
    """Open `state.db` in autocommit mode; create its tables where they are missing.

    Safe while other processes open or write the same file. A read-only file is opened as it is. Raises
    WarehouseLocked, WarehouseFull, StateDamaged and WarehouseUnusable; the last one also for a file that a
    newer Floorline wrote.
    """
    require_file(path)
    with translate_sqlite_errors(path), contextlib.ExitStack() as on_error:
        db = sqlite3.connect(path, timeout=LOCK_TIMEOUT, isolation_level=None)
        on_error.callback(db.close)
        # The write-ahead log lets other processes read while one writes.
        with contextlib.suppress(sqlite3.OperationalError):  # another process switches the mode right now
            db.execute("PRAGMA journal_mode = WAL")
        _update_tables(db, path)
        on_error.pop_all()
        return db


@contextlib.contextmanager
def read_state_db(path: Path, *tables: str) -> Iterator[sqlite3.Connection]:
    """Open an existing `state.db` to read these tables, also from a read-only or a full disk.

    Nothing in the file is changed, but for the tables that a file of an older version lacks. Rows are
    `sqlite3.Row`. Raises what `open_state_db` raises, and StateDamaged where a row of the tables is not what
    was written, or the block cannot read a value.
    """
    require_file(path)
    try:
        with translate_sqlite_errors(path), contextlib.closing(_open_for_reading(path)) as db:
            problem = _find_damaged_rows(db, tables)
            if problem is not None:
                raise StateDamaged(f"{path} is damaged: {problem}", path)
            db.row_factory = sqlite3.Row
            yield db
    except (ValueError, TypeError, LookupError, ArithmeticError) as error:
        raise StateDamaged(f"{path} is damaged: a value is not what was written", path) from error


def find_damage(path: Path) -> str | None:
    """Return what is wrong with an existing `state.db`; None where all of the file is what was written.

    Raises WarehouseLocked, WarehouseFull and WarehouseUnusable.
    """
    require_file(path)
    with path.open("rb") as file:
        header = file.read(20)
    if header[18:] not in {b"\1\1", b"\2\2"}:  # the mode of the log: SQLite would take the file for read-only
        return "its header is not what was written"
    try:
        with read_state_db(path) as db:
            return _find_damage(db)
    except StateDamaged as error:
        return error.detail


def _find_damage(db: sqlite3.Connection) -> str | None:
    (result,) = db.execute("PRAGMA integrity_check(1)").fetchone()
    if result != "ok":
        return sanitize(result)
    with contextlib.closing(sqlite3.connect(":memory:")) as fresh:
        fresh.executescript(create_statements())
        for query in SHAPES:
            if not {tuple(row) for row in db.execute(query)}.issuperset(fresh.execute(query)):
                return "a table is not what was created"
    return _find_damaged_rows(db, [table.name for table in copied_tables()])


def _find_damaged_rows(db: sqlite3.Connection, tables: Sequence[str]) -> str | None:
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if version < SCHEMA_VERSION:
        return None  # a read-only file of an older version, whose rows have no copies
    for table in copied_tables():
        if table.name in tables and (damaged := db.execute(table.damaged_keys()).fetchall()):
            return f"{len(damaged):,} rows of {table.name} are not what was written"
    return None


def _open_for_reading(path: Path) -> sqlite3.Connection:
    """Open the file with its log; where none can be created and none is left, without one."""
    log = path.with_name(path.name + "-wal")
    uris = ["mode=rw", "mode=ro"]
    log_size = 0
    with contextlib.suppress(FileNotFoundError):  # the last process that closes the file deletes its log
        log_size = log.stat().st_size
    if not log_size:
        uris.append("immutable=1")
    for parameters in uris[:-1]:
        try:
            return _open_uri(path, parameters)
        except sqlite3.OperationalError as error:
            if _primary_code(error) not in NOT_WRITABLE:
                raise
    return _open_uri(path, uris[-1])


def _open_uri(path: Path, parameters: str) -> sqlite3.Connection:
    with contextlib.ExitStack() as on_error:
        uri = f"{path.absolute().as_uri()}?{parameters}"
        db = sqlite3.connect(uri, uri=True, timeout=LOCK_TIMEOUT, isolation_level=None)
        on_error.callback(db.close)
        _update_tables(db, path)
        db.execute("PRAGMA query_only = 1")
        # The first read opens the log, and the file that processes share beside it.
        db.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        on_error.pop_all()
        return db


def _update_tables(db: sqlite3.Connection, path: Path) -> None:
    """Create the tables that a file of an older version lacks."""
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if version == SCHEMA_VERSION:
        return
    version, written = _read_versions(db)
    if written is not None and written != [str(version)]:
        raise StateDamaged(f"{path} is damaged: its version is not what was written", path)
    if version > SCHEMA_VERSION:
        raise WarehouseUnusable(f"{path} has schema {version}, this Floorline knows {SCHEMA_VERSION}", path)
    try:
        db.executescript(create_statements())
    except sqlite3.OperationalError as error:
        # The tables of an older version can be read without the new ones.
        if _primary_code(error) != sqlite3.SQLITE_READONLY:
            raise


def _read_versions(db: sqlite3.Connection) -> tuple[int, list[str] | None]:
    """Return the version of the file, and the copies of it; None where the file has no table of copies yet.

    Both are read in one transaction: between two, another process may create the tables.
    """
    copies = None
    db.execute("BEGIN")  # after an error the caller closes the connection, which ends the transaction
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if db.execute("SELECT 1 FROM sqlite_schema WHERE name = 'row_copy'").fetchall():
        query = "SELECT content FROM row_copy WHERE table_name = '' AND key = 'version'"
        copies = [content for (content,) in db.execute(query)]
    db.execute("COMMIT")
    return version, copies


@contextlib.contextmanager
def state_transaction(path: Path) -> Iterator[sqlite3.Connection]:
    """Open `state.db` for one transaction: it takes the write lock at the first change and commits on exit.

    Rows are `sqlite3.Row`. Raises what `open_state_db` raises.
    """
    with translate_sqlite_errors(path), contextlib.closing(open_state_db(path)) as db:
        db.row_factory = sqlite3.Row
        db.isolation_level = "IMMEDIATE"
        with db:
            yield db


@contextlib.contextmanager
def translate_sqlite_errors(path: Path) -> Iterator[None]:
    """Raise our error for an error of SQLite on the file `path`; a misuse of SQLite passes."""
    try:
        yield
    except sqlite3.ProgrammingError:
        raise
    except sqlite3.DatabaseError as error:
        raise _translate(error, path) from None
    except UnicodeDecodeError:  # of a message about a damaged name
        raise StateDamaged(f"{path} is damaged: a name is not what was written", path) from None


def _primary_code(error: sqlite3.DatabaseError) -> int:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def _is_full(path: Path) -> bool:
    """Return whether the disk is full, or this process may write no file of the size that SQLite needs."""
    limited = resource.getrlimit(resource.RLIMIT_FSIZE)[0] != resource.RLIM_INFINITY
    return limited or disk_usage(path.parent).free < 1 << 16


def _translate(error: sqlite3.DatabaseError, path: Path) -> FloorlineError:
    primary_code = _primary_code(error)
    # SQLite reports a write-ahead log that cannot grow as an I/O error.
    failed_io = primary_code == sqlite3.SQLITE_IOERR
    if primary_code == sqlite3.SQLITE_FULL or (failed_io and _is_full(path)):
        return no_space(path)
    if getattr(error, "sqlite_errorcode", 0) in FAILED_WRITES:  # the disk fails: what was written is whole
        return DiskFailed(f"{path} cannot be written: the disk reports an error", path)
    if primary_code == sqlite3.SQLITE_BUSY:
        return WarehouseLocked(f"{path} is locked by another process", path)
    missing_table = str(error).startswith("no such table")  # in a read-only file of an older version
    if missing_table or primary_code in {sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY}:
        return _explain_refusal(path)
    return StateDamaged(f"{path} is damaged: {sanitize(str(error))}", path)


def _explain_refusal(path: Path) -> FloorlineError:
    """Return why SQLite cannot open or write a file, which SQLite does not say."""
    if len(bytes(path.absolute())) > LONGEST_PATH:
        return WarehouseUnusable(f"{path}: SQLite opens no path as long as this", path)
    if lacks_descriptors():
        return ResourceExhausted(f"{LACK} for {path}")
    reason = find_refusal(path) or "a part of it is missing, or its disk is mounted read-only"
    return WarehouseUnusable(f"cannot write to {path}: {reason}", path)
