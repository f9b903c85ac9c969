"""Make sure that the loader's database is whole and lacks no run, before it is written or published.

A database that is missing, damaged or short is brought back from the published copy.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Collection
from datetime import datetime
from pathlib import Path

from common.files import copy_file, read_file_version, translate_os_errors
from common.warehouse_errors import (
    DatabaseIncomplete,
    DatabaseUnreadable,
    PublishedUnreadable,
    WarehouseError,
)
from warehouse.database_files import keep_backup, log_of, temporary_database
from warehouse.integrity import (
    count_missing_runs,
    has_checksum,
    has_content,
    has_version,
    is_whole,
    read_run_ids,
)
from warehouse.landing.inventory import is_loaded, is_set_aside, list_landings
from warehouse.paths import WarehousePaths


def find_published_base(paths: WarehousePaths) -> str:
    """Return the version of the published file, if the loader's database has its content; else ""."""
    unchanged = has_version(paths.published, paths.checksum) and has_checksum(paths.writer, paths.checksum)
    return read_file_version(paths.published) if unchanged else ""


def restore_writer(paths: WarehousePaths, now: datetime) -> str | None:
    """Bring the loader's database back from the published copy where it is missing, damaged or short.

    Call it under `writer_lock`. Returns what was done, None where nothing was. Raises DatabaseUnreadable and
    DatabaseIncomplete where there is no database to go on with.
    """
    remove_stray_log(paths)
    problem = "was damaged" if has_content(paths.writer) else "was missing"
    if is_whole(paths.writer, paths.checksum):
        problem = "lacked runs"
        try:
            if not _lacks_published_runs(paths, paths.writer):
                return None
        except PublishedUnreadable as error:
            return f"{error.detail}: it was made anew from {paths.writer}"
    base = find_complete_database(paths, loadable_runs(paths))
    if base == paths.writer:
        return None
    if base is None:
        refuse_empty_database(paths)
        return None
    backup = _replace_writer(paths, now)
    kept = f"; the old file is {backup}" if backup else ""
    return f"{paths.writer} {problem}: it was restored from {paths.published}{kept}"


def find_complete_database(paths: WarehousePaths, landed: Collection[str]) -> Path | None:
    """Return the database that lacks no run but those `landed` (run ids); None where there is no database.

    Of two such databases it is the one with more runs, or else the loader's. Raises DatabaseUnreadable where
    none can be read, DatabaseIncomplete where each of two lacks runs.
    """
    files = [path for path in (paths.writer, paths.published) if has_content(path)]
    runs = {path: read_run_ids(path) for path in files if is_whole(path, paths.checksum)}
    if files and not runs:
        raise DatabaseUnreadable(f"{' and '.join(map(str, files))} cannot be read", files[0])
    every = set().union(*runs.values())
    complete = [path for path, held in runs.items() if every - held <= set(landed)]
    base = max(complete, key=lambda path: len(runs[path]), default=None)
    if runs and base is None:
        lacks = " and ".join(f"{path} lacks {len(every - held):,} runs" for path, held in runs.items())
        raise DatabaseIncomplete(f"{lacks}, of which no landing is left", paths.writer)
    return base


def refuse_lost_runs(paths: WarehousePaths, database: Path, base: str = "") -> None:
    """Raise DatabaseIncomplete where the publish of a database would lose runs that are published.

    `base` is the version of a published file to whose content a load has only added.
    """
    if not has_content(database):
        raise DatabaseIncomplete(f"there is no database at {database} to publish", database)
    if base and base == read_file_version(paths.published):
        return
    with contextlib.suppress(PublishedUnreadable):
        if not _lacks_published_runs(paths, database):
            return
        raise DatabaseIncomplete(
            f"{database} lacks runs that {paths.published} holds, and is not published", database
        )


def loadable_runs(paths: WarehousePaths) -> set[str]:
    """Return the ids of the runs that have a landing, without quarantined ones."""
    return {folder.name for folder in list_landings(paths.landing) if not is_set_aside(folder)}


def remove_stray_log(paths: WarehousePaths) -> None:
    """Delete the log of a killed reader that wrote: no published copy opens with the log of another one."""
    with translate_os_errors(paths.published):
        log_of(paths.published).unlink(missing_ok=True)


def _lacks_published_runs(paths: WarehousePaths, database: Path) -> bool:
    """Return whether a database lacks published runs; raise PublishedUnreadable if unknown."""
    if not has_content(paths.published):
        return False
    try:
        return count_missing_runs(database, paths.published) > 0
    except WarehouseError as error:
        if error.path == database:
            raise
        raise PublishedUnreadable(f"{paths.published} could not be read", paths.published) from error


def refuse_empty_database(paths: WarehousePaths) -> None:
    """Raise DatabaseIncomplete where there is no database, although landings were loaded."""
    loaded = [folder for folder in list_landings(paths.landing) if is_loaded(folder)]
    if loaded:
        detail = f"there is no database at {paths.writer}, although {len(loaded):,} landings were loaded"
        raise DatabaseIncomplete(detail, paths.writer)


def _replace_writer(paths: WarehousePaths, now: datetime) -> Path | None:
    """Put a copy of the published database in the place of the loader's; return the backup of the latter."""
    restored = paths.writer.with_name("restored.duckdb")
    with temporary_database(restored), translate_os_errors(restored):
        copy_file(paths.published, restored)
        restored.chmod(0o600)
        with restored.open("rb") as file:
            os.fsync(file.fileno())
        backup = keep_backup(paths.writer, now)
        restored.replace(paths.writer)
    return backup
