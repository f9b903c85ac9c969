"""Row parsers that do something to the process that loads; the process imports them from here."""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import Iterator, Mapping
from typing import NoReturn

import polars as pl

from common.warehouse_errors import WarehouseFull, WarehouseLocked
from pipelines.loading import parse_raw_rows
from tests.support.waiting import wait_until
from warehouse.landing.model import PageMeta
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


def fail_twice(shard: LandedRawShard) -> Iterator[tuple[PageMeta, pl.DataFrame, Mapping[str, int]]]:
    """Fail until the landing has failed by itself once and is tried again."""
    marks = shard.path.parent / "failures"
    marks.write_text(marks.read_text() + "x" if marks.exists() else "x")
    if len(marks.read_text()) <= 2:
        raise RuntimeError("a shortage that passes")
    return parse_raw_rows(shard)


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
    wait_until(lambda: os.getppid() != parent)
    raise AssertionError
