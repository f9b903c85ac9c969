"""Wait for a condition in a test."""

import time
from collections.abc import Callable


def wait_until(condition: Callable[[], object], seconds: float = 30, *, every: float = 0.01) -> None:
    """Poll a condition until it is true; fail where it is not true within so many seconds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"not within {seconds:.0f} s"
        time.sleep(every)
