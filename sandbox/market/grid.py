"""The grid on which the API tells what was: five minutes, hours, days; microseconds since 1970."""

SECOND = 1_000_000
SLOT = 300 * SECOND
HOUR = 3600 * SECOND
DAY = 86_400 * SECOND


def floor(us: int, step: int = SLOT) -> int:
    """Return the last moment of the grid that is not after this one."""
    return us // step * step


def ceil(us: int, step: int = SLOT) -> int:
    """Return the first moment of the grid that is not before this one."""
    return -(-us // step) * step
