"""How often a process of `floorline up` may die before a restart does not help."""

from __future__ import annotations

import time
from typing import Final

MAX_RESTARTS: Final = 3  # of one process within RESTART_WINDOW
RESTART_WINDOW: Final = 300.0  # seconds


class RestartCounter:
    """Counts the deaths of processes by their names."""

    def __init__(self) -> None:
        self._deaths: dict[str, list[float]] = {}

    def count_death(self, name: str) -> int:
        """Count one more death; return the number within RESTART_WINDOW, this one among them."""
        now = time.monotonic()
        deaths = [*(at for at in self._deaths.get(name, ()) if now - at < RESTART_WINDOW), now]
        self._deaths[name] = deaths
        return len(deaths)
