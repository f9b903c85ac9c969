"""Publishing: a read-only copy that readers open, swapped in whole. Readers never meet the writer."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from common.files import fsync_directory
from warehouse.database import translate_duckdb_errors
from warehouse.paths import WarehousePaths


def publish(home: WarehousePaths) -> None:
    """Copy the closed writer's database and rename the copy into place. Call it under `writer_lock`.

    A reader that opened the published file read-write and was killed leaves a `.wal`, with which the next
    file would not open: it goes before the rename and once more after it.
    """
    stray = home.published.with_name(home.published.name + ".wal")
    partial = home.published.with_name(home.published.name + ".partial")
    with translate_duckdb_errors(home.published):
        try:
            partial.unlink(missing_ok=True)  # a publish that was killed left it, read-only
            _copy(home.writer, partial)
            stray.unlink(missing_ok=True)
            partial.replace(home.published)
            stray.unlink(missing_ok=True)
            fsync_directory(home.root)
        finally:
            partial.unlink(missing_ok=True)


def _copy(source: Path, to: Path) -> None:
    """Copy a file, durable and read-only."""
    shutil.copyfile(source, to)
    to.chmod(0o444)
    handle = os.open(to, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
