"""Check the PostgreSQL database that machines share: that it answers, how fast, and by which clock."""

from __future__ import annotations

import itertools
import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from common.clock import MAX_CLOCK_SKEW
from common.errors import FloorlineError
from common.text import format_duration, pluralize
from common.warehouse_errors import NotPublished
from floorline.doctor.findings import Finding, from_error, ok, warn
from warehouse.database import open_published
from warehouse.lake.maintenance import DUE_FILES
from warehouse.paths import WarehousePaths
from warehouse.state.database import open_state

NAME: Final = "shared database"
TRIES: Final = 5
FAR: Final = 0.005  # seconds; a load sends some hundred statements, one after the other
LONG_WAIT: Final = timedelta(minutes=15)  # a loader takes what waits within minutes
CLOSE: Final = timedelta(seconds=1)


def check_shared_database(paths: WarehousePaths, now: datetime) -> Sequence[Finding]:
    """Return whether the shared database can be used from here; nothing where a warehouse shares none."""
    if paths.shared is None:
        return []
    try:
        ahead, seconds = _measure(paths, now)
    except FloorlineError as error:
        return [from_error(NAME, error)]
    seen = f"PostgreSQL answers in {1000 * seconds:.1f} ms, and its clock {_describe(ahead)}"
    if abs(ahead) > MAX_CLOCK_SKEW:
        return [warn(NAME, seen, "set the clocks of this machine and of the server by NTP")]
    if seconds > FAR:
        return [warn(NAME, seen, "let a machine near the server load: write load = false in [shared] here")]
    return [ok(NAME, seen)]


def check_object_store(paths: WarehousePaths, now: datetime) -> Sequence[Finding]:
    """Return whether the storage of a shared warehouse answers, and how long landings wait in its queue."""
    if paths.shared is None:
        return []
    from warehouse.landing.queue import LandingQueue  # only a shared warehouse has a queue

    try:
        waiting = LandingQueue(paths.shared).list_waiting()
    except FloorlineError as error:
        return [from_error("storage", error)]
    if not waiting:
        return [ok("storage", f"{paths.shared.storage} answers, and no landing waits")]
    age = now - waiting[0].observed_from
    count = pluralize(len(waiting), "landing")
    seen = f"{count} in {paths.shared.storage}, the oldest {format_duration(age)} old"
    if age > LONG_WAIT:
        return [warn("storage", seen, "run `floorline maintain load` where [shared] has load = true")]
    return [ok("storage", seen)]


def check_lake(paths: WarehousePaths) -> Sequence[Finding]:
    """Return whether the lake of a shared warehouse has more files than the maintenance leaves."""
    if paths.shared is None:
        return []
    from warehouse.lake.maintenance import count_files  # only a shared warehouse needs it

    try:
        with open_published(paths) as db:
            files = count_files(db)
    except NotPublished:
        return []
    except FloorlineError as error:
        return [from_error("lake", error)]
    table, most = max(files.items(), key=lambda entry: entry[1], default=("", 0))
    seen = f"{pluralize(sum(files.values()), 'file')} of tables, {most:,} of {table}"
    if most > 12 * DUE_FILES:
        return [warn("lake", seen, "run `floorline maintain seal`, which merges files")]
    return [ok("lake", seen)]


def _measure(paths: WarehousePaths, now: datetime) -> tuple[timedelta, float]:
    """Return how far the server's clock is ahead, and the seconds of the fastest of some statements."""
    state, began = open_state(paths), time.monotonic()
    with state.read() as db:
        waits = [time.monotonic()]
        for _ in range(TRIES):
            server = state.now(db, now)
            waits.append(time.monotonic())
    own = now + timedelta(seconds=waits[-1] - began)
    return server - own, min(after - before for before, after in itertools.pairwise(waits))


def _describe(ahead: timedelta) -> str:
    if abs(ahead) < CLOSE:
        return "is that of this machine"
    return f"is {format_duration(abs(ahead))} {'ahead' if ahead > timedelta() else 'behind'}"
