"""Write a new file or folder beside its place, and rename it when it is complete: an export or a backup."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from common.files import translate_os_errors
from common.warehouse_errors import TargetExists, TargetUnwritable, WarehouseUnusable


def partial_of(target: Path) -> Path:
    """Return where a target is written until it is complete; a long name has no room for a suffix.

    Raises WarehouseUnusable for a path without a name, such as the current folder.
    """
    if not target.name:
        raise WarehouseUnusable(f"{target} is a folder that exists: name a new file or folder", target)
    name = hashlib.blake2b(os.fsencode(target.name), digest_size=8).hexdigest()
    return target.with_name(f"floorline-{name}.partial")


@contextlib.contextmanager
def exclusive_target(target: Path) -> Iterator[None]:
    """Let one process at a time write a target that does not exist yet.

    What killed processes left beside it is deleted. Raises TargetExists, TargetUnwritable and WarehouseFull.
    """
    if not target.parent.is_dir():  # FileLock would create it; the export says that it is missing
        yield
        return
    lock = partial_of(target).with_suffix(".lock")
    if not target.parent.is_dir():  # else the lock would create it
        raise TargetUnwritable(f"{target} has no folder", target)
    with translate_target_errors(target):
        try:
            held = FileLock(lock).acquire(timeout=0)
        except Timeout:
            if not lock.exists():  # the file system has no place for any file
                raise TargetUnwritable(f"{target} cannot be created", target) from None
            raise TargetExists(f"another process writes {target} now", target) from None
    with held:
        try:
            if target.exists():
                raise TargetExists(f"{target} exists already", target)
            _remove_abandoned(target.parent)
            yield
        finally:
            lock.unlink(missing_ok=True)


def _remove_abandoned(folder: Path) -> None:
    """Delete the unfinished targets whose writers hold their locks no more: they were killed."""
    for partial in folder.glob("floorline-*.partial"):
        with contextlib.suppress(Timeout, OSError), FileLock(partial.with_suffix(".lock"), timeout=0) as lock:
            _remove(partial)
            Path(lock.lock_file).unlink(missing_ok=True)


@contextlib.contextmanager
def translate_target_errors(target: Path) -> Iterator[None]:
    """Raise TargetUnwritable or WarehouseFull for the system's errors of a target that is created."""
    try:
        with translate_os_errors(target):
            yield
    except WarehouseUnusable as error:
        if type(error) is not WarehouseUnusable:
            raise
        raise TargetUnwritable(error.detail, target) from None
    except (FileExistsError, NotADirectoryError):
        raise TargetUnwritable(f"{target.parent} is a file, not a folder", target) from None


@contextlib.contextmanager
def temporary_target(path: Path) -> Iterator[None]:
    """Delete a file or folder, and its write-ahead log, before and after; a rename in between keeps it."""
    leftovers = (path, path.with_name(path.name + ".wal"))
    try:
        for leftover in leftovers:
            _remove(leftover)
        yield
    finally:
        for leftover in leftovers:
            _remove(leftover)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
