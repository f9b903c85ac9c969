"""A process that follows the feeds of a configuration, and that can be killed."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from sandbox.core import Sandbox
from tests.support.snapshots import Bench, clean_env, ledger

STOP_SECONDS = 60.0
SETTLE_SECONDS = 120.0


class Follower:
    """A running process; its output is in a file."""

    def __init__(self, command: Sequence[str], log: Path) -> None:
        self._log = log
        with log.open("ab") as output:
            self._process = subprocess.Popen(command, stdout=output, stderr=output, env=clean_env())

    @property
    def pid(self) -> int:
        """The id of the process."""
        return self._process.pid

    def check_running(self) -> None:
        """Raise RuntimeError with the end of the output where the process has ended."""
        if (code := self._process.poll()) is not None:
            output = self._log.read_text("utf-8", errors="replace")
            raise RuntimeError(f"the follower ended with {code}: {output[-3000:]}")

    def kill(self) -> None:
        """Kill the process with -9."""
        self._process.kill()
        self._process.wait()

    def stop(self) -> int:
        """Ask the process to end, and return its exit code. Raises TimeoutExpired."""
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(STOP_SECONDS)


def wait_until(follower: Follower, is_met: Callable[[], bool]) -> bool:
    """Wait until a condition is met, or for too long; return whether it is met.

    Raises RuntimeError where the follower has ended.
    """
    give_up = time.monotonic() + SETTLE_SECONDS
    while not is_met():
        follower.check_running()
        if time.monotonic() > give_up:
            return False
        time.sleep(0.1)
    return True


def is_followed(bench: Bench, box: Sandbox, providers: Sequence[str]) -> bool:
    """Return whether a feed is open, and the published quotes are those that the market lists now."""
    is_published = bench.paths.published.exists() and bool(box.feeds.open_connections)
    return is_published and bench.quotes() == ledger(box, providers)
