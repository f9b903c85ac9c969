"""The live part of `floorline up`: its process follows the feeds of the live baskets."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Final

from common import supervisor_lock
from floorline.up import environment
from floorline.up.lines import warn
from floorline.up.process import ManagedProcess

# Between two starts (seconds): one that the source has refused sends nothing until its key changes.
RESTART_INTERVAL: Final = 60.0


class LiveProcess:
    """The process that runs `floorline live`. One that dies is started again, however often."""

    def __init__(self, config: Path, logs: Path, lock_path: Path) -> None:
        self._started_at = 0.0
        self._is_reported = False
        self.process = ManagedProcess(
            "live",
            supervisor_lock.command("floorline", "live", "--config", str(config)),
            env=environment.client_env(lock_path),
            logs=logs,
        )

    def start(self, cwd: Path) -> None:
        """Start the process."""
        self._started_at, self._is_reported = time.monotonic(), False
        self.process.start(cwd)

    def restart_dead(self, cwd: Path) -> None:
        """Start the process again where it has died, RESTART_INTERVAL after its last start or later."""
        if self.process.returncode is None:
            return
        if not self._is_reported:
            self._is_reported = True
            warn("live.died", f"{self.process.describe_exit()}\nStarting it again within a minute.")
        if time.monotonic() - self._started_at >= RESTART_INTERVAL:
            self.start(cwd)
