"""The five-minute grid on which CS2Cap reports the past."""

from sandbox.clock import SECOND

SLOT = 300 * SECOND


def floor(us: int, step: int = SLOT) -> int:
    """Return the last multiple of the step that is not after a time, microseconds."""
    return us // step * step


def ceil(us: int, step: int = SLOT) -> int:
    """Return the first multiple of the step that is not before a time, microseconds."""
    return -(-us // step) * step
