"""What readers see: the published file, or the newest snapshot of a lake."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from common.files import translate_os_errors
from common.numbers import from_unix_time
from common.warehouse_errors import NotPublished
from warehouse.paths import Database, WarehousePaths

Identity = tuple[int, ...]


def identify_database(database: Database) -> Identity:
    """Return what differs between two states of a published database. Raises NotPublished."""
    if not isinstance(database, Path):
        from warehouse.lake.snapshots import find_newest_snapshot  # only a shared warehouse needs it

        snapshot = find_newest_snapshot(database)
        if snapshot is None:
            raise NotPublished(f"there is no {database} yet")
        return (snapshot.number,)
    with translate_os_errors(database):
        try:
            status = database.stat()
        except FileNotFoundError:
            raise NotPublished(f"there is no database at {database} yet", database) from None
    return status.st_ino, status.st_mtime_ns, status.st_size


def is_published(paths: WarehousePaths) -> bool:
    """Return whether anything was published. Raises LakeUnreachable."""
    return published_at(paths) is not None


def published_at(paths: WarehousePaths) -> datetime | None:
    """Return when the published database changed last (UTC); None before the first time."""
    database = paths.published_database
    if not isinstance(database, Path):
        from warehouse.lake.snapshots import find_newest_snapshot  # only a shared warehouse needs it

        snapshot = find_newest_snapshot(database)
        return None if snapshot is None else snapshot.committed_at
    return from_unix_time(database.stat().st_mtime) if database.exists() else None
