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
from common.warehouse_errors import TargetExists, WarehouseUnusable


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

    Raises TargetExists and WarehouseUnusable.
    """
    if not target.parent.is_dir():  # FileLock would create it; the export says that it is missing
        yield
        return
    lock = partial_of(target).with_suffix(".lock")
    if not target.parent.is_dir():  # else the lock would create it
        raise WarehouseUnusable(f"{target} cannot be opened: check its folder and the permissions", target)
    with translate_os_errors(target):
        try:
            held = FileLock(lock).acquire(timeout=0)
        except Timeout:
            raise TargetExists(f"another process writes {target} now", target) from None
    with held:
        try:
            if target.exists():
                raise TargetExists(f"{target} exists already", target)
            yield
        finally:
            lock.unlink(missing_ok=True)


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
