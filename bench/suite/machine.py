"""The machine of a run: cores, memory, versions, and what other processes use of it."""

from __future__ import annotations

import os
import platform
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

from bench.suite.results import Machine

LIBRARIES = ("duckdb", "polars", "httpx")


@dataclass(slots=True)
class LoadWatch:
    """Watches how much of the cores other processes use, while the suite itself waits."""

    seconds: float = 1.0
    shares: list[float] = field(default_factory=list)

    def sample(self) -> None:
        """Wait, and remember the share of the cores that was used meanwhile."""
        busy, total = _read_ticks()
        time.sleep(self.seconds)
        busy_now, total_now = _read_ticks()
        self.shares.append((busy_now - busy) / max(total_now - total, 1))


def describe_machine(watch: LoadWatch, rivals: Sequence[str] = ()) -> Machine:
    """Describe this machine, with the versions of Python, libraries and rivals (`name==version`)."""
    names = {"Python": platform.python_version(), **{name: version(name) for name in LIBRARIES}}
    return Machine(
        cores=len(os.sched_getaffinity(0)),
        memory=round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        used_by_others=round(statistics.median(watch.shares), 2),
        versions=names | dict(rival.split("==") for rival in rivals),
    )


def _read_ticks() -> tuple[int, int]:
    """Return the ticks of all cores since the start: of any work, and all."""
    ticks = [int(number) for number in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    idle = ticks[3] + ticks[4]
    return sum(ticks) - idle, sum(ticks)
