"""What is seen of a follower from outside: when it published what, how long it held the lock, its memory."""

from __future__ import annotations

import contextlib
import re
import threading
import time
from bisect import bisect_left
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from warehouse.database import open_published
from warehouse.paths import WarehousePaths

POLL_SECONDS = 0.01
_FLOCK = re.compile(r"^\d+: FLOCK +\w+ +WRITE +(\d+) +[0-9a-f]+:[0-9a-f]+:(\d+) ", re.MULTILINE)


class Publication(NamedTuple):
    """A copy that was published at `at` (Unix seconds), and the newest event in it."""

    at: float
    newest: datetime


class Observer:
    """Watches the warehouse and the process of a follower from threads."""

    def __init__(self, paths: WarehousePaths, pid: int) -> None:
        self.publications: list[Publication] = []
        self.holds: list[float] = []  # seconds for which the writer's lock was held
        self.memory: list[tuple[float, float]] = []  # Unix seconds, megabytes that no file has
        self._paths, self._pid = paths, pid
        self._stopped = threading.Event()

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """Watch until the block ends."""
        watches = (self._watch_publications, self._watch_lock, self._watch_memory)
        threads = [threading.Thread(target=watch) for watch in watches]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._stopped.set()
            for thread in threads:
                thread.join()

    def published_at(self, seen_at: datetime) -> float | None:
        """Return when an event was published, Unix seconds; None: not yet."""
        place = bisect_left(self.publications, seen_at, key=lambda publication: publication.newest)
        return self.publications[place].at if place < len(self.publications) else None

    def _watch_publications(self) -> None:
        last = 0.0
        while not self._stopped.wait(POLL_SECONDS):
            with contextlib.suppress(FileNotFoundError):
                at = self._paths.published.stat().st_ctime  # the rename
                if at != last:
                    last = at
                    newest = self._newest_event()
                    if newest and (not self.publications or newest > self.publications[-1].newest):
                        self.publications.append(Publication(at, newest))

    def _newest_event(self) -> datetime | None:
        with open_published(self._paths) as connection:
            (newest,) = connection.sql("SELECT max(last_updated) FROM quotes").fetchall()[0]
        assert newest is None or isinstance(newest, datetime)
        return newest

    def _watch_lock(self) -> None:
        since: float | None = None
        while not self._stopped.wait(POLL_SECONDS):
            now = time.monotonic()
            if self._is_lock_held():
                since = now if since is None else since
            elif since is not None:
                self.holds.append(now - since)
                since = None

    def _is_lock_held(self) -> bool:
        """Return whether a process holds the writer's lock; asking for it would keep the follower waiting."""
        try:
            inode = str(self._paths.lock.stat().st_ino)
        except FileNotFoundError:
            return False
        return any(held == inode for _, held in _FLOCK.findall(Path("/proc/locks").read_text()))

    def _watch_memory(self) -> None:
        while not self._stopped.wait(1):
            with contextlib.suppress(OSError):
                self.memory.append((time.time(), read_memory(self._pid)))


def read_memory(pid: int) -> float:
    """Return the megabytes of a process that no file has. Raises OSError where it has ended."""
    sizes = re.findall(r"^(\w+): +(\d+) kB$", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE)
    kilobytes = {name: int(size) for name, size in sizes}
    return (kilobytes["Anonymous"] - kilobytes["LazyFree"]) / 1024
