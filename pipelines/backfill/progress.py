"""What a backfill tells about itself while it goes on, and the bar that shows it."""

from __future__ import annotations

import dataclasses
from typing import Protocol


@dataclasses.dataclass(frozen=True, slots=True)
class ProgressUpdate:
    """How far a backfill is.

    `ended` of `shards` have ended, broken ones among them, and `share` of the time that all of them cover is
    fetched (0 to 1). `rows` and `requests` are of this run; `left` is what the month still has, if known.
    """

    shards: int
    ended: int = 0
    share: float = 0.0
    rows: int = 0
    requests: int = 0
    left: int | None = None


class BackfillProgress(Protocol):
    """Whoever watches a backfill."""

    def update(self, standing: ProgressUpdate) -> None:
        """Hear how far it is: at its beginning, after each page and after each shard."""


class NullBackfillProgress:
    """Shows nothing."""

    def update(self, standing: ProgressUpdate) -> None:
        """Nothing."""
