"""What a script shows: each claim is a line, and one that does not hold ends the script with 1."""

from __future__ import annotations

import sys
import time


class Checks:
    """Prints claims with what was seen, and remembers whether all of them hold."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._failed = 0

    def log(self, text: str) -> None:
        """Print what happens, with the seconds since the start."""
        print(f"{time.monotonic() - self._began:6.1f} s  {text}", flush=True)

    def check(self, holds: bool, claim: str) -> None:
        """Print a claim, and whether it holds."""
        self._failed += not holds
        self.log(f"{'holds ' if holds else 'FAILED'}  {claim}")

    def exit(self) -> None:
        """End the process, with 1 where a claim did not hold."""
        if self._failed:
            sys.exit(f"{self._failed} of the claims above did not hold")
        print("everything above holds")
