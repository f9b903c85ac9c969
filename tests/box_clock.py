"""The flows' time as a sandbox has it, so that hours pass for both at once."""

from __future__ import annotations

from datetime import datetime

from connectors.clock import SystemClock
from sandbox.core import Sandbox


class BoxClock(SystemClock):
    """The moment is the sandbox's; waiting is real."""

    def __init__(self, box: Sandbox) -> None:
        self._box = box

    def now(self) -> datetime:
        """Return the sandbox's moment, UTC."""
        return self._box.clock.now()
