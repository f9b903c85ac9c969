"""Leases: what one process at a time may do, such as writing the database or running a backfill.

A lease ends with its process, however that ends. On one machine it is the lock of a file; between machines, a
lock of a connection to PostgreSQL, which the server ends half a minute after a machine is gone.
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from filelock import FileLock, Timeout

from common.files import is_locked, translate_os_errors
from warehouse.paths import WarehousePaths

WRITER: Final = "writer"  # the lease of the one writer
SOMEBODY: Final = "another process"


# Whether a lease is still held: that of a shared warehouse is lost with its connection.
IsHeld = Callable[[], bool]


class LeaseHeld(Exception):
    """Another process holds the lease; `holder` names it as well as is known."""

    def __init__(self, holder: str) -> None:
        super().__init__(holder)
        self.holder = holder


def always_held() -> bool:
    """Return that a lease is held: a process keeps the lock of a file until its end."""
    return True


@contextlib.contextmanager
def hold_lease(paths: WarehousePaths, name: str, wait: float) -> Iterator[IsHeld]:
    """Hold the lease of the writer, or of the backfill `name`; yield whether it is held, as a function.

    Raises LeaseHeld where it is not free within `wait` seconds, and WarehouseError.
    """
    if paths.shared is None:
        with _hold_file(_lock_file(paths, name), wait):
            yield always_held
        return
    from common.postgres_lease import hold_lock, read_holder

    read_url = paths.shared.read_database_url
    with hold_lock(read_url, name, wait, holder=describe_holder(paths)) as is_held:
        if is_held is None:
            raise LeaseHeld(read_holder(read_url, name) or SOMEBODY)
        yield is_held


def lease_holder(paths: WarehousePaths, name: str) -> str | None:
    """Return who holds a lease now; None where nobody does. Nothing is written."""
    if paths.shared is not None:
        from common.postgres_lease import read_holder

        return read_holder(paths.shared.read_database_url, name)
    file = _lock_file(paths, name)
    return _read_holder(file) if is_locked(file) else None


def describe_holder(paths: WarehousePaths) -> str:
    """Return the name of this process, as others see it."""
    return f"PID {os.getpid()}" if paths.shared is None else f"PID {os.getpid()} on {socket.gethostname()}"


def _lock_file(paths: WarehousePaths, name: str) -> Path:
    return paths.lock if name == WRITER else paths.root / "backfills" / f"{name}.lock"


@contextlib.contextmanager
def _hold_file(file: Path, wait: float) -> Iterator[None]:
    lock = FileLock(file)
    try:
        with translate_os_errors(file):
            file.parent.mkdir(exist_ok=True)
            lock.acquire(timeout=wait)
    except Timeout:
        raise LeaseHeld(_read_holder(file)) from None
    holder_file = _holder_file(file)
    try:
        # The file only helps to name the holder; a full disk is reported by what the lease is for.
        with contextlib.suppress(OSError):
            holder_file.write_text(str(os.getpid()))
        yield
    finally:
        # While the lock is still held: afterwards the file may be the next holder's.
        holder_file.unlink(missing_ok=True)
        lock.release()


def _holder_file(file: Path) -> Path:
    return file.with_suffix(".holder")


def _read_holder(file: Path) -> str:
    try:
        return f"PID {int(_holder_file(file).read_text())}"
    except (OSError, ValueError):
        return SOMEBODY
