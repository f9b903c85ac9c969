"""A lock that a supervisor holds while it lives, and whose release ends all of its processes.

The kernel releases the lock however the supervisor dies. The path of the lock travels in the environment:
so every descendant follows it, also one whose parent died before the supervisor.

    python -m common.supervisor_lock MODULE [ARGUMENT...]

runs a module in a process that follows the lock of its environment, and leads a session of its own.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final

VARIABLE: Final = "_FLOORLINE_SUPERVISOR_LOCK"
POLL: Final = 0.1  # seconds


class SupervisorLockHeld(Exception):
    """Another process holds the lock; the message is the id of that process."""


def hold(path: Path, wait: float) -> IO[str]:
    """Take the lock until the returned file is closed; wait `wait` seconds for the processes of the last.

    Raises SupervisorLockHeld where another supervisor holds the lock, and OSError.
    """
    file = open(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+", encoding="ascii")  # noqa: PTH123, SIM115
    deadline = time.monotonic() + wait
    while not _try_lock(file, fcntl.LOCK_EX):
        if time.monotonic() > deadline:
            with file:
                raise SupervisorLockHeld(file.read().strip())
        time.sleep(POLL)
    file.truncate(0)
    file.write(f"{os.getpid()}\n")
    file.flush()
    return file


def is_held(path: Path) -> bool:
    """Return whether a supervisor that is alive holds the lock."""
    try:
        with path.open("rb") as file:
            return not _try_lock(file, fcntl.LOCK_SH)
    except OSError:
        return False


def _try_lock(file: IO[str] | IO[bytes], kind: int) -> bool:
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def command(module: str, *arguments: str) -> list[str]:
    """Return the command line of a process that runs a module and follows the lock."""
    return [
        sys.executable,
        "-P",
        "-m",
        __name__,
        module,
        *arguments,
    ]  # -P: no module of the working directory


def follow() -> None:
    """End this process and its descendants when the supervisor dies; without a supervisor do nothing."""
    path = os.environ.get(VARIABLE)
    if path:
        threading.Thread(target=_follow, args=(path,), name="supervisor-lock", daemon=True).start()


def _follow(path: str) -> None:
    with contextlib.suppress(OSError), Path(path).open("rb") as file:  # a lock file that is gone is released
        fcntl.flock(file, fcntl.LOCK_SH)
    for pid in _descendants(os.getpid()):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    os.kill(os.getpid(), signal.SIGKILL)


def _descendants(ancestor: int) -> Iterator[int]:
    """Yield the ids of all descendants of a process; none where the system has no `ps`."""
    import subprocess  # every command imports this module

    try:
        ps = subprocess.run(["ps", "-e", "-o", "ppid=,pid="], capture_output=True, text=True, check=False)  # noqa: S607
    except OSError:
        return
    pairs = [(int(parent), int(pid)) for parent, pid in map(str.split, ps.stdout.splitlines())]
    generation = {ancestor}
    while generation:
        generation = {pid for parent, pid in pairs if parent in generation}
        yield from generation


if __name__ == "__main__":
    import runpy

    with contextlib.suppress(PermissionError):  # it leads one already
        os.setsid()
    follow()
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
