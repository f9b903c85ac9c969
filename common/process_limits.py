"""What the machine grants this process: its limits (`ulimit`), and threads."""

from __future__ import annotations

import resource
import threading

from common.machine_errors import ResourceExhausted


def raise_limit(kind: int, wanted: int) -> int:
    """Raise a soft limit (`resource.RLIMIT_...`) to `wanted` as far as allowed; return `wanted` or less."""
    soft, hard = resource.getrlimit(kind)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return wanted
    granted = wanted if hard == resource.RLIM_INFINITY else min(hard, wanted)
    if granted > soft:
        resource.setrlimit(kind, (granted, hard))
    return granted


def require_threads(needed: int) -> None:
    """Start this many threads at once: the limit may be that of a user, a container or the machine.

    Raises ResourceExhausted where they cannot be started.
    """
    done = threading.Event()
    threads = [threading.Thread(target=done.wait, daemon=True) for _ in range(needed)]
    started = 0
    try:
        for thread in threads:
            thread.start()
            started += 1
    except RuntimeError:
        detail = f"this user may start {started} more threads (`ulimit -u`), and this needs {needed}"
        raise ResourceExhausted(detail) from None
    finally:
        done.set()
        for thread in threads[:started]:
            thread.join()
