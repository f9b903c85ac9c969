"""Restore a backup into a warehouse: stage copies that are verified, then move them into place.

    restore.partial/new/        copies of the backup's files
    restore.partial/plan.json   all copies are there and verified: the restore can only go on
    restore.partial/cleared     what was in the warehouse before is aside

A restore that is killed before plan.json is written leaves the warehouse as it was. After one that is killed
later, no other command writes the warehouse; the next restore goes on where this one ended.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import shutil
from collections.abc import Iterator
from datetime import datetime
from itertools import chain, count
from pathlib import Path

from common.files import copy_file, fsync_directory, is_locked, translate_os_errors
from common.warehouse_errors import BackupDamaged, WarehouseLocked, WarehouseNotEmpty
from warehouse.backup.contents import is_growing, warehouse_files
from warehouse.backup.manifest import WAREHOUSE, BackedUpFile, Manifest, describe_file, verify_backup
from warehouse.database import open_writer, writer_lock
from warehouse.integrity import has_content
from warehouse.landing.integrity import read_json, write_json
from warehouse.paths import WarehousePaths
from warehouse.publish import READABLE, publish


@dataclasses.dataclass(frozen=True, slots=True)
class Plan:
    """A restore whose copies are complete: of which backup, and where the old files go."""

    created_at: datetime
    aside: str
    published_mode: int


@dataclasses.dataclass(frozen=True, slots=True)
class RestoreResult:
    """What was restored where, and the folder with the files that were there before, if there were any."""

    manifest: Manifest
    root: Path
    aside: Path | None


def restore_backup(
    folder: Path, paths: WarehousePaths, *, replace: bool, now: datetime, wait: float
) -> RestoreResult:
    """Restore the backup in `folder`, after all of its files are verified, and publish the database.

    With `replace`, the files of the warehouse that is there are moved into a folder beside them. A restore
    that was interrupted is finished first. Raises WarehouseNotEmpty without `replace`, WarehouseLocked where
    a command writes the warehouse, BackupDamaged, WarehouseUnusable and WarehouseFull.
    """
    manifest = verify_backup(folder)
    paths.create_folders()
    with writer_lock(paths, wait), translate_os_errors(paths.root):
        _refuse_busy(paths)
        unfinished = _read_plan(paths)
        if unfinished is not None:
            aside = _finish(paths, unfinished)
            if unfinished.created_at == manifest.created_at:
                return RestoreResult(manifest, paths.root, aside)
        if not replace and any(warehouse_files(paths)):
            raise WarehouseNotEmpty(f"{paths.root} holds a warehouse already", paths.root)
        plan = _stage(folder, manifest, paths, now)
        return RestoreResult(manifest, paths.root, _finish(paths, plan))


def _refuse_busy(paths: WarehousePaths) -> None:
    """Raise WarehouseLocked where a run fetches, or a backfill or a rotation of a key runs."""
    growing = [folder for folder in paths.landing.iterdir() if is_growing(folder)]
    locks = [*paths.root.glob("backfills/*.lock"), *paths.root.glob("keys/.lock")]
    if growing or any(map(is_locked, locks)):
        raise WarehouseLocked(f"a command writes {paths.root} now", paths.root)


def _read_plan(paths: WarehousePaths) -> Plan | None:
    """Return the plan of a restore that was interrupted after its copies were complete."""
    return read_json(paths.restore_plan, Plan) if paths.restore_plan.exists() else None


def _stage(folder: Path, manifest: Manifest, paths: WarehousePaths, now: datetime) -> Plan:
    """Copy the files of the backup's warehouse, and verify the copies; an error leaves none of them."""
    with contextlib.ExitStack() as on_error:
        if paths.restoring.exists():
            shutil.rmtree(paths.restoring)
        on_error.callback(shutil.rmtree, paths.restoring, ignore_errors=True)
        paths.restoring.mkdir(mode=0o700)
        for file in manifest.files:
            if name := file.name_in(WAREHOUSE):
                _copy_verified(folder, file, paths.restoring / "new" / name)
        for parent in (path for path in paths.restoring.rglob("*") if path.is_dir()):
            fsync_directory(parent)
        plan = Plan(manifest.created_at, _choose_name(paths.root, now), manifest.published_mode)
        write_json(paths.restore_plan, plan)
        on_error.pop_all()
        return plan


def _choose_name(root: Path, now: datetime) -> str:
    """Return the name of a folder that does not exist yet."""
    stem = f"before-restore-{now:%Y%m%dT%H%M%SZ}"
    names = chain([stem], (f"{stem}-{number}" for number in count(2)))
    return next(name for name in names if not (root / name).exists())


def _copy_verified(folder: Path, file: BackedUpFile, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    copy_file(folder / file.path, target)
    target.chmod(0o600)
    os.utime(target, ns=(file.modified_ns, file.modified_ns))
    if describe_file(target.parent, target).sha256 != file.sha256:
        raise BackupDamaged(f"{folder / file.path} changed while it was read", folder / file.path)


def _finish(paths: WarehousePaths, plan: Plan) -> Path | None:
    """Move the old files aside and the copies into place, publish, and remove the staging folder."""
    aside, cleared = paths.root / plan.aside, paths.restoring / "cleared"
    if not cleared.exists():
        for file in list(warehouse_files(paths)):
            _move(file, aside / file.relative_to(paths.root))
        cleared.touch()
        fsync_directory(paths.restoring)
    _install(paths)
    if has_content(paths.writer):
        with open_writer(paths.writer):  # migrates a database of an older version
            pass
        publish(paths)
        paths.published.chmod(plan.published_mode & READABLE)
    # First: without `cleared` beside it, the plan would move the restored files aside.
    paths.restore_plan.unlink()
    fsync_directory(paths.restoring)
    shutil.rmtree(paths.restoring)
    return aside if aside.exists() else None


def _install(paths: WarehousePaths) -> None:
    """Move the copies into place, over what a command has made that began before the restore."""
    new = paths.restoring / "new"
    for copy in list(_copies(new)):
        target = paths.root / copy.relative_to(new)
        if target.is_dir():
            shutil.rmtree(target)
        for log in (target.with_name(f"{target.name}{suffix}") for suffix in ("-wal", "-shm")):
            log.unlink(missing_ok=True)  # no file opens with the log of another one
        _move(copy, target)


def _copies(new: Path) -> Iterator[Path]:
    """Yield what is moved as one: files, and the folders of landings and of a source's catalogs."""
    for path in sorted(new.glob("*")):
        if path.is_dir():
            yield from sorted(path.iterdir())
        else:
            yield path


def _move(path: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    path.rename(target)
    for folder in (target.parent, path.parent):
        fsync_directory(folder)
