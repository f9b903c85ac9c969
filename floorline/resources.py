"""What the machine must grant a command before it starts: threads, address space, file descriptors.

The libraries beneath end a process that lacks one of them, or hang, and cannot be stopped from doing so.
"""

from __future__ import annotations

import os
import resource
from typing import Final, NamedTuple

from common.machine_errors import ResourceExhausted
from common.process_limits import raise_limit, require_threads

GIB: Final = 1 << 30


class Need(NamedTuple):
    """What a command needs: threads, threads for each processor, bytes of address space, descriptors."""

    threads: int
    threads_per_processor: int
    address_space: int
    descriptors: int


# Measured: a query has 6 threads, 0.7 GiB and 9 descriptors; a snapshot 20 threads, 2.7 GiB and 24.
READING: Final = Need(threads=4, threads_per_processor=2, address_space=GIB, descriptors=16)
RUNNING: Final = Need(threads=16, threads_per_processor=4, address_space=3 * GIB, descriptors=48)
THREAD_SPACE: Final = 72 << 20  # bytes of address space of a thread: its stack and its arena
READERS: Final = frozenset({"query", "status", "alerts", "key", "deployments", "export", "rejects", "backup"})


def require_resources(command: str) -> None:
    """Raise ResourceExhausted where this process may not have what the command needs."""
    need = READING if command in READERS else RUNNING
    processors = os.cpu_count() or 1
    _require_limit("descriptors (`ulimit -n`)", resource.RLIMIT_NOFILE, need.descriptors)
    more = THREAD_SPACE * need.threads_per_processor * max(processors - 2, 0)
    _require_limit("bytes of address space (`ulimit -v`)", resource.RLIMIT_AS, need.address_space + more)
    require_threads(need.threads + need.threads_per_processor * processors)


def _require_limit(what: str, kind: int, needed: int) -> None:
    granted = raise_limit(kind, needed)
    if granted < needed:
        raise ResourceExhausted(f"this process may have {granted:,} {what}, and needs {needed:,}")
