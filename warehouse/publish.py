"""Publish the database: replace the read-only copy that readers open, so that they never meet the writer."""

from __future__ import annotations

import os
import shutil

from common.files import fsync_directory
from warehouse.database import translate_duckdb_errors
from warehouse.paths import WarehousePaths


def publish(paths: WarehousePaths) -> None:
    """Copy the closed writer's database and rename the copy into place. Call it under `writer_lock`.

    A reader that opened the published file read-write and was killed leaves a `.wal`, with which the next
    file would not open. Delete the `.wal` before the rename and again after it.
    """
    stray_wal = paths.published.with_name(paths.published.name + ".wal")
    partial = paths.published.with_name(paths.published.name + ".partial")
    with translate_duckdb_errors(paths.published):
        try:
            partial.unlink(missing_ok=True)  # left by a killed publish, and read-only
            shutil.copyfile(paths.writer, partial)
            partial.chmod(0o444)
            # Before the rename: after a power failure the published file must not be empty.
            with partial.open("rb") as file:
                os.fsync(file.fileno())
            stray_wal.unlink(missing_ok=True)
            partial.replace(paths.published)
            stray_wal.unlink(missing_ok=True)
            fsync_directory(paths.root)
        finally:
            partial.unlink(missing_ok=True)
