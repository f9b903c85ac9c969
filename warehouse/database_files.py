"""Copy, back up and delete a database file together with the write-ahead log of a killed writer."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from datetime import datetime
from itertools import chain, count
from pathlib import Path

from common.files import copy_file, translate_os_errors


@contextlib.contextmanager
def temporary_database(path: Path) -> Iterator[None]:
    """Delete a database before and after; a rename in between keeps it."""
    remove_database(path)
    try:
        yield
    finally:
        remove_database(path)


def remove_database(path: Path) -> None:
    """Delete a database file and its log, where they exist."""
    for file in (path, log_of(path)):
        file.unlink(missing_ok=True)


def copy_database(path: Path, target: Path) -> None:
    """Copy a database that no process has open, with its log. Raises WarehouseFull and WarehouseUnusable."""
    with translate_os_errors(target):
        copy_file(path, target)
        target.chmod(0o600)
        if log_of(path).exists():
            copy_file(log_of(path), log_of(target))


def keep_backup(path: Path, now: datetime) -> Path | None:
    """Link the database under a second name, so that the first one is never missing; return the backup.

    Its log belongs to the backup and moves with it, also where only the log is left.
    """
    stem = f"market.before-{now:%Y%m%dT%H%M%SZ}"
    # Two within a second keep two backups.
    names = chain([f"{stem}.duckdb"], (f"{stem}-{number}.duckdb" for number in count(2)))
    backup = next(file for file in map(path.with_name, names) if not file.exists())
    existed = path.exists()
    if existed:
        os.link(path, backup)
    if log_of(path).exists():
        log_of(path).rename(log_of(backup))
    return backup if existed else None


def log_of(path: Path) -> Path:
    """Return the path of the write-ahead log of a database file."""
    return path.with_name(path.name + ".wal")
