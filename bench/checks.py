"""What a script shows: each claim is a line, and one that does not hold ends the script with 1."""

from __future__ import annotations

import sys


class Checks:
    """Prints claims with what was seen, and remembers whether all of them hold."""

    def __init__(self) -> None:
        self._failed = 0

    def check(self, holds: bool, claim: str) -> None:
        """Print a claim, and whether it holds."""
        self._failed += not holds
        print(f"{'holds ' if holds else 'FAILED'}  {claim}", flush=True)

    def exit(self) -> None:
        """End the process, with 1 where a claim did not hold."""
        if self._failed:
            sys.exit(f"{self._failed} of the claims above did not hold")
        print("everything above holds")
