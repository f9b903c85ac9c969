"""Opening state.db and turning sqlite3 errors into ours; later its one schema and version."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from shutil import disk_usage

from common.errors import WarehouseFull, WarehouseLocked, WarehouseUnusable


@contextlib.contextmanager
def translate_sqlite_errors(path: Path) -> Iterator[None]:
    """Raise WarehouseFull, WarehouseLocked or WarehouseUnfit for what SQLite says of the file at `path`."""
    try:
        yield
    except sqlite3.OperationalError as error:
        raise _explained(error, path) from None


def _explained(error: sqlite3.OperationalError, path: Path) -> Exception:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the low byte; the rest says more than matters here
    # SQLite calls a log that cannot grow an I/O error
    cramped = code == sqlite3.SQLITE_IOERR and disk_usage(path.parent).free < 1 << 16
    if code == sqlite3.SQLITE_FULL or cramped:
        return WarehouseFull(f"no space left on the disk of {path}", path)
    if code == sqlite3.SQLITE_BUSY:
        return WarehouseLocked(f"{path} is locked by another process", path)
    if code in {sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY}:
        return WarehouseUnusable(f"cannot write to {path}: {error}", path)
    return error
