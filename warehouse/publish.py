"""Publish the database: replace the read-only copy that readers open, so that they never meet the writer."""

from __future__ import annotations

import os
from typing import Final

from common.files import copy_file, fsync_directory
from warehouse.database import translate_duckdb_errors
from warehouse.database_files import log_of
from warehouse.integrity import record_checksum
from warehouse.paths import WarehousePaths
from warehouse.restoration import refuse_lost_runs

READABLE: Final = 0o444


def publish(paths: WarehousePaths, base: str = "") -> None:
    """Copy the closed writer's database and rename the copy into place. Call it under `writer_lock`.

    A reader that opened the published file read-write and was killed leaves a `.wal`, with which the next
    file would not open. Delete the `.wal` before the rename and again after it. The copy can be read by whom
    the copy before it could; the first one by its user only. `base` is what `find_published_base` returned
    before a load. A lake needs no publish: each commit is one. Raises DatabaseIncomplete where runs would be
    lost.
    """
    refuse_lost_runs(paths, paths.writer, base)
    stray_wal = log_of(paths.published)
    partial = paths.published.with_name(paths.published.name + ".partial")
    with translate_duckdb_errors(paths.published):
        try:
            partial.unlink(missing_ok=True)  # left by a killed publish, and read-only
            copy_file(paths.writer, partial)
            mode = _mode(paths)
            partial.chmod(mode)
            _share_sealed_months(paths, mode)
            # Before the rename: after a power failure the published file must not be empty.
            with partial.open("rb") as file:
                os.fsync(file.fileno())
            stray_wal.unlink(missing_ok=True)
            partial.replace(paths.published)
            stray_wal.unlink(missing_ok=True)
            fsync_directory(paths.root)
            record_checksum(paths.published, paths.checksum)
        finally:
            partial.unlink(missing_ok=True)


def _share_sealed_months(paths: WarehousePaths, mode: int) -> None:
    """Let those read the files of sealed months who may read the published copy, whose views read them."""
    if paths.sealed.is_dir():
        paths.sealed.chmod(paths.root.stat().st_mode & 0o755)
        for file in paths.sealed.glob("*.parquet"):
            file.chmod(mode)


def _mode(paths: WarehousePaths) -> int:
    published = paths.published
    return published.stat().st_mode & READABLE if published.exists() else 0o400
