"""The windows of the limit per minute: fixed by the clock, sliding with each request, or both."""

from collections import deque
from math import ceil

MINUTE = 60.0
WINDOWS = ("fixed", "sliding", "both")
_TOLERANCE = 1e-6  # seconds: times are floats, and a request leaves the window after exactly a minute


def check_window_kind(windows: str) -> str:
    """Return a name of `WINDOWS`. Raises ValueError for any other."""
    if windows not in WINDOWS:
        raise ValueError(f"windows are {', '.join(WINDOWS)}, not {windows}")
    return windows


def seconds_until_allowed(recent: deque[float], limit: int, now: float, *, windows: str) -> int:
    """Return the whole seconds until the next request is allowed; forget requests outside of all windows.

    `recent`: times of accepted requests, Unix seconds, ascending. The sliding window is the stricter one.
    """
    while recent and recent[0] < now - MINUTE + _TOLERANCE:
        recent.popleft()
    allowed_at = now
    if windows != "sliding":
        start = now // MINUTE * MINUTE
        if sum(at >= start for at in recent) >= limit:
            allowed_at = start + MINUTE
    if windows != "fixed" and len(recent) >= limit:
        allowed_at = max(allowed_at, recent[-limit] + MINUTE)
    return max(1, ceil(allowed_at - now)) if allowed_at > now else 0
