"""The progress that a running backfill reports."""

from __future__ import annotations

import dataclasses
from typing import Protocol


@dataclasses.dataclass(frozen=True, slots=True)
class ProgressUpdate:
    """The state of a running backfill.

    `ended` of `shards` have ended, broken ones included. `fraction` (0 to 1) is the part of the shards' time
    that is fetched. `rows` and `requests` count this run. `quota_remaining` is None if unknown.
    """

    shards: int
    ended: int = 0
    fraction: float = 0.0
    rows: int = 0
    requests: int = 0
    quota_remaining: int | None = None
    backfill_id: str = ""


class BackfillProgress(Protocol):
    """An observer of a backfill."""

    def update(self, update: ProgressUpdate) -> None:
        """Receive the progress: at the start, after each page and after each shard."""


class NullBackfillProgress:
    """Ignores the progress."""

    def update(self, update: ProgressUpdate) -> None:
        """Do nothing."""
