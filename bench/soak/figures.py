"""The figures of a soak: what a process and a warehouse use, and whether a figure grows."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import re
import sqlite3
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from warehouse.database import open_published
from warehouse.landing.inventory import is_set_aside, list_landings
from warehouse.paths import WarehousePaths

Figures = Mapping[str, float]
HISTORY: Final = frozenset({"alert", "row_copy"})  # alerts, and the copies of their rows


@dataclass(frozen=True, slots=True)
class Bound:
    """How much a figure may grow to the last window: by a share, and by so much more.

    It may grow from the second window on; or from the middle of the run on, where it `rises_in_steps` first.
    """

    share: float
    more: float
    rises_in_steps: bool = False

    def allows(self, first: float, last: float) -> bool:
        """Return whether a figure that was `first` may be `last`."""
        return last <= first * (1 + self.share) + self.more


# Caches of a process and the files of a database fill in steps: a figure may grow a little. What allocators
# keep rises with the largest work of the process: a load after a full disk, a database made anew.
BOUNDS: Final[Mapping[str, Bound]] = {
    "descriptors": Bound(0, 2),
    "threads": Bound(0, 2),
    "memory MB": Bound(0.10, 10, rises_in_steps=True),
    "state.db KB without alerts": Bound(0.10, 20),
    "landings": Bound(0.25, 10),
    "other files": Bound(0, 2),
    "bytes a changed row": Bound(0.25, 5),
}


def use_of_process() -> dict[str, float]:
    """Return the descriptors, the threads and the memory in use of this process.

    Memory in use is what no file has. Allocators keep freed memory: that of the C library is given back here,
    and what others gave back lazily stays resident until the system needs memory.
    """
    gc.collect()
    with contextlib.suppress(AttributeError):  # another C library than glibc
        ctypes.CDLL(None).malloc_trim(0)
    kilobytes = dict(re.findall(r"^(\w+): +(\d+) kB$", _read_proc("smaps_rollup"), re.MULTILINE))
    (threads,) = re.findall(r"^Threads:\s+(\d+)$", _read_proc("status"), re.MULTILINE)
    descriptors = len(list(Path("/proc/self/fd").iterdir())) - 1  # without that of this list
    memory = int(kilobytes["Anonymous"]) - int(kilobytes["LazyFree"])
    return {"descriptors": descriptors, "threads": int(threads), "memory MB": memory / 1024}


def _read_proc(name: str) -> str:
    return Path("/proc/self", name).read_text("ascii")


def use_of_warehouse(paths: WarehousePaths) -> dict[str, float]:
    """Return the number of landings and of other files, and the size of `state.db`.

    Landings that are set aside wait for a person, and alerts are a history: they count by themselves.
    """
    query = "SELECT coalesce(tbl_name, s.name), pgsize FROM dbstat s LEFT JOIN sqlite_schema m USING (name)"
    with contextlib.closing(sqlite3.connect(paths.state)) as state:
        pages = state.execute(query).fetchall()
        ((alerts,),) = state.execute("SELECT count(*) FROM alert")
    landings = list_landings(paths.landing)
    aside = sum(map(is_set_aside, landings))
    return {
        "state.db KB": paths.state.stat().st_size / 1024,
        "state.db KB without alerts": sum(size for table, size in pages if table not in HISTORY) / 1024,
        "alerts": alerts,
        "landings": len(landings) - aside,
        "set aside": aside,
        "other files": len(list_other_files(paths)),
    }


def list_other_files(paths: WarehousePaths) -> list[str]:
    """Return the paths of the files of a warehouse, below its folder, that belong to no landing."""
    files = (path for path in paths.root.rglob("*") if path.is_file() and paths.landing not in path.parents)
    return sorted(str(path.relative_to(paths.root)) for path in files)


def size_of_database(paths: WarehousePaths) -> tuple[int, int]:
    """Return the bytes that the published database uses, and how many rows of its history changed.

    Free blocks in the file do not count: they make the file grow in steps.
    """
    with open_published(paths) as db:
        query = "SELECT used_blocks * block_size FROM pragma_database_size()"
        ((size,),) = db.execute(f"{query} WHERE database_name = current_database()").fetchall()
        ((rows,),) = db.execute("SELECT sum(rows_changed)::BIGINT FROM runs").fetchall()
    return size, rows


def medians(samples: Sequence[Figures]) -> dict[str, float]:
    """Return the median of each figure."""
    return {name: statistics.median(sample[name] for sample in samples) for name in samples[0]}


def find_trends(windows: Sequence[Figures]) -> list[str]:
    """Return a line for each figure that grew beyond its bound; the first window warms everything up."""
    if len(windows) < 3:
        return []
    trends = []
    for name, bound in BOUNDS.items():
        start = max(1, len(windows) // 2 - 1) if bound.rises_in_steps else 1
        first, last = windows[start][name], windows[-1][name]
        if not bound.allows(first, last):
            trends.append(f"{name} grew from {first:,.1f} to {last:,.1f}")
    return trends


def as_table(windows: Sequence[Figures], minutes: float) -> str:
    """Return the figures as a Markdown table with a column for each window."""
    ends = [f"{minutes * number:g} min" for number in range(1, len(windows) + 1)]
    rows = [["", *ends], ["---"] * (len(ends) + 1)]
    rows += [[name, *(f"{window[name]:,.0f}" for window in windows)] for name in windows[0]]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)
