"""Check the PostgreSQL database that machines share: that it answers, how fast, and by which clock."""

from __future__ import annotations

import itertools
import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from common.clock import MAX_CLOCK_SKEW
from common.errors import FloorlineError
from common.text import format_duration
from floorline.doctor.findings import Finding, from_error, ok, warn
from warehouse.paths import WarehousePaths
from warehouse.state.database import open_state

NAME: Final = "shared database"
TRIES: Final = 5
FAR: Final = 0.005  # seconds; a load sends some hundred statements, one after the other
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
