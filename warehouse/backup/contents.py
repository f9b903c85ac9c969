"""Which files of a warehouse belong to a backup, and how those are copied that other processes write.

A backup has the state, the loader's database, landings and catalogs. A test knows every kind of file in a
warehouse: it fails for a new one until that is copied here, or left out on purpose.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import Final

from common.files import translate_os_errors
from common.sqlite import find_damage, read_state_db, translate_sqlite_errors
from common.warehouse_errors import SealedMonthUnreadable, StateDamaged
from warehouse.database import open_reader
from warehouse.database_files import copy_database, log_of
from warehouse.integrity import find_checksum
from warehouse.landing.inventory import is_being_written, list_landings
from warehouse.migration import schema_version
from warehouse.paths import WarehousePaths
from warehouse.sealing.months import find_checksums

# What no copy needs of a landing or a catalog: locks, and the rest of writes that were killed.
FIRST_WITH_MONTHS: Final = 11  # the first schema with sealed months
TEMPORARY: Final = ("lock", "*.lock", "*.partial")


def copy_state(path: Path, target: Path) -> None:
    """Copy `state.db` as of one moment, while others write it. Raises StateDamaged and WarehouseError."""
    with (
        read_state_db(path) as db,
        translate_sqlite_errors(target),
        contextlib.closing(sqlite3.connect(target)) as copy,
    ):
        db.backup(copy)
        copy.execute("PRAGMA journal_mode = DELETE")  # the copy is one file
    damage = find_damage(target)
    if damage is not None:
        raise StateDamaged(f"{path} is damaged: {damage}", path)


def copy_loaders_database(paths: WarehousePaths, base: Path, target: Path) -> None:
    """Copy the database file `base` of a warehouse; the log beside the published copy is none of its own."""
    target.parent.mkdir(parents=True)
    copy_database(base, target)
    if base == paths.published:
        log_of(target).unlink(missing_ok=True)


def copy_sealed_months(paths: WarehousePaths, database: Path, target: Path) -> None:
    """Copy all files of the sealed months of a database. Raises SealedMonthUnreadable for a damaged one."""
    with open_reader(database) as db:
        files = () if schema_version(db) < FIRST_WITH_MONTHS else find_checksums(db).items()
    for name, checksum in files:
        copy = target / name
        _copy_file(paths.sealed / name, copy)
        if not copy.exists() or find_checksum(copy) != checksum:
            raise SealedMonthUnreadable(f"{paths.sealed / name} is missing or damaged", paths.sealed / name)


def copy_landings(root: Path, target: Path) -> None:
    """Copy all landings; one that a run still writes is copied as if the run had been killed now."""
    for folder in list_landings(root):
        copy = _copy_growing if is_growing(folder) else _copy_all
        copy(folder, target / folder.name)


def is_growing(folder: Path) -> bool:
    """Return whether a process writes a landing.

    To look for the lock of a landing without run.json could take it away from the process that creates it.
    """
    return os.path.lexists(folder / "run.json") and is_being_written(folder)


def copy_catalogs(root: Path, target: Path) -> None:
    """Copy the cached catalogs, with the times that tell their age."""
    for file in sorted(root.rglob("*")):
        _copy_file(file, target / file.relative_to(root))


def _copy_all(folder: Path, target: Path) -> None:
    for file in sorted(folder.iterdir()):
        _copy_file(file, target / file.name)


def _copy_growing(folder: Path, target: Path) -> None:
    """Copy what says how the run and its shards ended before the pages: these are never fewer than said.

    A raw shard without its header is left out: the header is written first, and came too late here.
    """
    wanted: tuple[Callable[[Path], bool], ...] = (
        lambda file: file.name == "run.json",
        lambda file: file.name == "done.json",
        lambda file: file.suffix == ".json" and file.name not in {"run.json", "done.json"},
        lambda file: file.suffix != ".json" and not _lacks_header(target / file.name),
    )
    for is_next in wanted:
        for file in filter(is_next, sorted(folder.iterdir())):
            _copy_file(file, target / file.name)


def _lacks_header(copy: Path) -> bool:
    return copy.name.endswith(".lines.zst") and not copy.with_suffix(".json").exists()


def _copy_file(file: Path, target: Path) -> None:
    """Copy a file with its time; what is temporary, gone, or no regular file is no part of a backup."""
    if any(fnmatch(file.name, pattern) for pattern in TEMPORARY) or not file.is_file():
        return
    with translate_os_errors(target), contextlib.suppress(FileNotFoundError):
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(file, target)


def warehouse_files(paths: WarehousePaths) -> Iterator[Path]:
    """Yield what a warehouse consists of, each a file or a folder that is moved as one, where it exists."""
    for file in (paths.published, paths.state, paths.writer):
        yield from (beside for beside in file.parent.glob(f"{file.name}*") if _belongs_to(beside, file))
    yield from filter(os.path.lexists, [paths.checksum])
    for folder in (paths.landing, paths.catalog, paths.sealed):
        if folder.is_dir():
            yield from sorted(folder.iterdir())


def _belongs_to(beside: Path, file: Path) -> bool:
    return beside.name.removeprefix(file.name) in {"", ".wal", "-wal", "-shm"}
