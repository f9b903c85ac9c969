"""The minute's windows: fixed by the clock, sliding with each request, or both at once."""

from collections import deque
from math import ceil

MINUTE = 60.0
WINDOWS = ("fixed", "sliding", "both")
_HAIR = 1e-6  # seconds: moments are floats, and a request leaves the window on its minute's end


def check_window_kind(windows: str) -> str:
    """Return a name of `WINDOWS`. Raises ValueError for another."""
    if windows not in WINDOWS:
        raise ValueError(f"windows are {', '.join(WINDOWS)}, not {windows}")
    return windows


def seconds_until_allowed(recent: deque[float], limit: int, now: float, windows: str) -> int:
    """Return whole seconds until another request fits, 0 where it does; forgets what no window holds.

    `recent`: moments of admitted requests, Unix seconds, ascending. A sliding window is the stricter one.
    """
    while recent and recent[0] < now - MINUTE + _HAIR:
        recent.popleft()
    room = max(
        _fixed(recent, limit, now) if windows != "sliding" else now,
        _sliding(recent, limit, now) if windows != "fixed" else now,
    )
    return max(1, ceil(room - now)) if room > now else 0


def _fixed(recent: deque[float], limit: int, now: float) -> float:
    start = now // MINUTE * MINUTE
    return start + MINUTE if sum(moment >= start for moment in recent) >= limit else now


def _sliding(recent: deque[float], limit: int, now: float) -> float:
    return recent[-limit] + MINUTE if len(recent) >= limit else now
