"""Wait for a condition in a test."""

import time
from collections.abc import Callable


def wait_until(condition: Callable[[], object], seconds: float = 120, *, every: float = 0.01) -> None:
    """Poll a condition until it is true; fail where it is not true within so many seconds.

    The seconds only end a test that hangs: they are many times what a busy machine needs.
    """
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"not within {seconds:.0f} s"
        time.sleep(every)
