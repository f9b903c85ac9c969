"""Whether an exception means that the machine lacks something for a while, and where an exception arose."""

from __future__ import annotations

import errno
import os
import traceback
from pathlib import Path
from typing import Final

NO_SPACE: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
NO_RESOURCE: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN, errno.ENOBUFS})
# How threads and memory that a library cannot get end: in its own words, which are no errors of the system.
WORDS: Final = ("can't start new thread", "failed to map segment", "allocate memory", "WouldBlock",
    "Too many open files", "spawn threads", "Resource temporarily unavailable",
    # DuckDB beyond its memory_limit, where a checkpoint makes a fatal error of it.
    "could not allocate block", "failed to allocate data", "failed to pin block")  # fmt: skip
LACK: Final = "this machine has no memory, thread, process or descriptor left"


def is_shortage(error: BaseException) -> bool:
    """Return whether memory, threads, processes or descriptors ran out."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryException":
        return True
    if isinstance(error, OSError) and type(error).__module__ == "builtins":
        return error.errno in NO_RESOURCE or isinstance(error, BlockingIOError)
    known = isinstance(error, RuntimeError | ImportError) or type(error).__module__ != "builtins"
    text = " ".join(map(str, error.args)) if known else ""
    return any(part in text for part in WORDS)


def lacks_descriptors(needed: int = 4) -> bool:
    """Return whether this process can open fewer than `needed` files more: SQLite does not say so."""
    opened: list[int] = []
    try:
        while len(opened) < needed:
            opened.append(os.open(os.devnull, os.O_RDONLY))
    except OSError as error:
        return error.errno in NO_RESOURCE
    finally:
        for descriptor in opened:
            os.close(descriptor)
    return False


def name_place(error: BaseException) -> str:
    """Return the name of an exception and where it arose; its text is left out: it may have foreign text."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f" in {Path(frames[-1].filename).name}, line {frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}{place}"
