"""What a part found: each fact that must hold, and whether it does."""

from __future__ import annotations

import time


class Findings:
    """Prints what happens as it happens, and counts what does not hold."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._broken = 0

    def tell(self, text: str) -> None:
        """Print a line, with the seconds since the start."""
        print(f"{time.monotonic() - self._began:6.1f} s  {text}", flush=True)

    def expect(self, text: str, *, holds: bool) -> None:
        """Print whether something that must hold does hold."""
        self._broken += not holds
        self.tell(f"{'holds' if holds else 'DOES NOT HOLD'}: {text}")

    def conclude(self) -> int:
        """Print how many facts do not hold; return the exit code."""
        self.tell(f"{self._broken} facts do not hold" if self._broken else "all of it holds")
        return 1 if self._broken else 0
