"""state.db: the SQLite file of alerts, backfills and rate limits that all processes of a machine share.

One schema with a version, one way to open the file, and SQLite's errors as errors of ours.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from shutil import disk_usage
from typing import Final

from common.errors import WarehouseFull, WarehouseLocked, WarehouseUnusable

LOCK_TIMEOUT: Final = 30.0  # seconds to wait for another process that writes
# Floorline before SCHEMA_VERSION 1 created the same tables and left `user_version` at 0.
SCHEMA_VERSION: Final = 2
# SQLite's codes where it cannot create or extend a file, or use the one that processes share.
NOT_WRITABLE: Final = frozenset(
    {sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL}
)
SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS alert (
    alert_id INTEGER PRIMARY KEY,
    cause TEXT NOT NULL, source TEXT NOT NULL, subject TEXT NOT NULL,
    code TEXT, message TEXT NOT NULL, guidance TEXT, run_id TEXT,
    opened_at TEXT NOT NULL, last_at TEXT NOT NULL, repeats INTEGER NOT NULL, closed_at TEXT
);
CREATE UNIQUE INDEX IF NOT EXISTS one_open_alert ON alert (cause, source, subject) WHERE closed_at IS NULL;
-- When a channel delivered the opening and the closing of an alert; claimed_at: a process is delivering now.
CREATE TABLE IF NOT EXISTS telling (
    alert_id INTEGER NOT NULL, channel TEXT NOT NULL,
    opening_told TEXT, closing_told TEXT, claimed_at TEXT,
    PRIMARY KEY (alert_id, channel)
);
-- A source's rejection of the key with the fingerprint key_print; asked_at: the last request with this key.
CREATE TABLE IF NOT EXISTS rejection (
    source TEXT PRIMARY KEY, key_print TEXT NOT NULL, kind TEXT NOT NULL, code TEXT NOT NULL, status INTEGER,
    detail TEXT NOT NULL, asked_at TEXT NOT NULL
);

-- at_least, at_most: the planned requests; holder: the process that ran the backfill last.
CREATE TABLE IF NOT EXISTS backfill (
    backfill_id TEXT PRIMARY KEY, digest TEXT NOT NULL, series TEXT NOT NULL, source TEXT NOT NULL,
    request TEXT NOT NULL, at_least INTEGER NOT NULL, at_most INTEGER,
    state TEXT NOT NULL, reason TEXT, holder TEXT, created_at TEXT NOT NULL, updated_at TEXT NOT NULL
);
CREATE UNIQUE INDEX IF NOT EXISTS one_open_backfill ON backfill (digest)
    WHERE state NOT IN ('done', 'cancelled');
-- A shard and its checkpoint. walk_end: the end of the extraction under way; page: number of the next page;
-- oldest: the time of the oldest landed row; settled_to: rows before this time change no more.
CREATE TABLE IF NOT EXISTS backfill_shard (
    backfill_id TEXT NOT NULL, number INTEGER NOT NULL,
    item_id TEXT, market_hash_name TEXT, phase TEXT, provider TEXT, currency TEXT NOT NULL, interval TEXT,
    start_at TEXT NOT NULL, end_at TEXT NOT NULL, lookback INTEGER NOT NULL,
    state TEXT NOT NULL DEFAULT 'waiting', walk_end TEXT NOT NULL, cursor TEXT,
    page INTEGER NOT NULL DEFAULT 0, rows INTEGER NOT NULL DEFAULT 0, requests INTEGER NOT NULL DEFAULT 0,
    oldest TEXT, settled_to TEXT, reason TEXT,
    PRIMARY KEY (backfill_id, number)
) WITHOUT ROWID;

-- The rate limit and month of a key. held_at, held_until: a pause; told_at: when the source reported it.
-- held_at, held_until and free_at are monotonic seconds.
CREATE TABLE IF NOT EXISTS budget (
    key_print TEXT PRIMARY KEY, source TEXT NOT NULL, per_minute INTEGER,
    held_at REAL NOT NULL DEFAULT 0, held_until REAL NOT NULL DEFAULT 0,
    used INTEGER NOT NULL DEFAULT 0, per_month INTEGER, resets_at TEXT, told_at TEXT
);
-- Until when (UTC) the source asked to send nothing with a key, where that is longer than a run waits.
CREATE TABLE IF NOT EXISTS hold (key_print TEXT PRIMARY KEY, source TEXT NOT NULL, until TEXT NOT NULL);
-- A queued request, or a batch of sent requests, that counts until free_at; metered: requests of the month.
-- AUTOINCREMENT: tickets are never used twice, so that they show the order of arrival.
CREATE TABLE IF NOT EXISTS slot (
    ticket INTEGER PRIMARY KEY AUTOINCREMENT, key_print TEXT NOT NULL,
    cost INTEGER NOT NULL, metered INTEGER NOT NULL, sent INTEGER NOT NULL, free_at REAL NOT NULL
);
CREATE INDEX IF NOT EXISTS slot_of_key ON slot (key_print);
-- at: Unix seconds; starts: how many are allowed in 24 hours.
CREATE TABLE IF NOT EXISTS stream_start (key_print TEXT NOT NULL, route TEXT NOT NULL, at REAL NOT NULL);
CREATE TABLE IF NOT EXISTS stream_limit (
    key_print TEXT NOT NULL, route TEXT NOT NULL, starts INTEGER NOT NULL, PRIMARY KEY (key_print, route)
);
"""


def open_state_db(path: Path) -> sqlite3.Connection:
    """Open `state.db` in autocommit mode; create its tables where they are missing.

    Safe while other processes open or write the same file. A read-only file is opened as it is. Raises
    WarehouseLocked, WarehouseFull and WarehouseUnusable; the last one also for a file that a newer Floorline
    wrote.
    """
    with translate_sqlite_errors(path), contextlib.ExitStack() as on_error:
        db = sqlite3.connect(path, timeout=LOCK_TIMEOUT, isolation_level=None)
        on_error.callback(db.close)
        # The write-ahead log lets other processes read while one writes.
        with contextlib.suppress(sqlite3.OperationalError):  # another process switches the mode right now
            db.execute("PRAGMA journal_mode = WAL")
        (version,) = db.execute("PRAGMA user_version").fetchone()
        _check_version(path, version)
        if version < SCHEMA_VERSION:
            _create_tables(db)
        on_error.pop_all()
        return db


@contextlib.contextmanager
def read_state_db(path: Path) -> Iterator[sqlite3.Connection]:
    """Open an existing `state.db` to read it, also from a read-only or a full disk.

    Nothing in the file is changed, but for the tables that a file of an older version lacks.

    Rows are `sqlite3.Row`. Raises what `open_state_db` raises.
    """
    with translate_sqlite_errors(path), contextlib.closing(_open_for_reading(path)) as db:
        db.row_factory = sqlite3.Row
        yield db


def _open_for_reading(path: Path) -> sqlite3.Connection:
    """Open the file with its log; where none can be created and none is left, without one."""
    log = path.with_name(path.name + "-wal")
    uris = ["mode=rw", "mode=ro"]
    if not log.exists() or not log.stat().st_size:
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
        (version,) = db.execute("PRAGMA user_version").fetchone()
        _check_version(path, version)
        if version < SCHEMA_VERSION:
            _create_tables(db)
        db.execute("PRAGMA query_only = 1")
        # The first read opens the log, and the file that processes share beside it.
        db.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        on_error.pop_all()
        return db


def _check_version(path: Path, version: int) -> None:
    if version > SCHEMA_VERSION:
        raise WarehouseUnusable(f"{path} has schema {version}, this Floorline knows {SCHEMA_VERSION}", path)


def _create_tables(db: sqlite3.Connection) -> None:
    try:
        db.executescript(f"BEGIN IMMEDIATE; {SCHEMA} PRAGMA user_version = {SCHEMA_VERSION:d}; COMMIT;")
    except sqlite3.OperationalError as error:
        # The tables of an older version can be read without the new ones.
        if _primary_code(error) != sqlite3.SQLITE_READONLY:
            raise


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
    """Raise WarehouseFull, WarehouseLocked or WarehouseUnusable for SQLite's errors on the file `path`."""
    try:
        yield
    except sqlite3.OperationalError as error:
        raise _translate(error, path) from None


def _primary_code(error: sqlite3.OperationalError) -> int:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def _translate(error: sqlite3.OperationalError, path: Path) -> Exception:
    primary_code = _primary_code(error)
    # SQLite reports a write-ahead log that cannot grow as an I/O error.
    log_is_full = primary_code == sqlite3.SQLITE_IOERR and disk_usage(path.parent).free < 1 << 16
    if primary_code == sqlite3.SQLITE_FULL or log_is_full:
        return WarehouseFull(f"no space left on the disk of {path}", path)
    if primary_code == sqlite3.SQLITE_BUSY:
        return WarehouseLocked(f"{path} is locked by another process", path)
    missing_table = str(error).startswith("no such table")  # in a read-only file of an older version
    if missing_table or primary_code in {sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY}:
        return WarehouseUnusable(f"cannot write to {path}: {error}", path)
    return error
