"""Row parsers that do something to the process that loads; the process imports them from here."""

from __future__ import annotations

import errno
import os
import signal
from typing import NoReturn

from common.warehouse_errors import WarehouseFull, WarehouseLocked
from tests.support.waiting import wait_until
from warehouse.landing.ndjson import LandedRawShard

BEGUN = "begun"


def segfault(shard: LandedRawShard) -> NoReturn:
    """End the process as a decoder that reads where it must not."""
    os.kill(os.getpid(), signal.SIGSEGV)
    raise AssertionError


def be_killed(shard: LandedRawShard) -> NoReturn:
    """End the process as the kernel does when memory is short."""
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


def be_interrupted(shard: LandedRawShard) -> NoReturn:
    """End the process as Ctrl-C does."""
    os.kill(os.getpid(), signal.SIGINT)
    raise AssertionError


def exit_at_once(shard: LandedRawShard) -> NoReturn:
    """End the process without any clean-up."""
    os._exit(9)


def abort(shard: LandedRawShard) -> NoReturn:
    """End the process as a library whose invariants are broken."""
    os.abort()


def run_out_of_memory(shard: LandedRawShard) -> NoReturn:
    raise MemoryError


def fail(shard: LandedRawShard) -> NoReturn:
    raise RuntimeError("a bug\nof two lines \x1b[31m")


def fail_to_read(shard: LandedRawShard) -> NoReturn:
    raise OSError(errno.EIO, "Input/output error")


def lack_descriptors(shard: LandedRawShard) -> NoReturn:
    raise OSError(errno.EMFILE, "Too many open files")


def find_disk_full(shard: LandedRawShard) -> NoReturn:
    raise WarehouseFull("no space left", shard.path)


def find_lock_held(shard: LandedRawShard) -> NoReturn:
    raise WarehouseLocked("the database is locked", shard.path)


def wait_to_be_killed(shard: LandedRawShard) -> NoReturn:
    """Leave a file as a sign that the load has begun, and wait until the parent of this process ends."""
    (shard.path.parent / BEGUN).touch()
    parent = os.getppid()
    wait_until(lambda: os.getppid() != parent, 60)
    raise AssertionError
