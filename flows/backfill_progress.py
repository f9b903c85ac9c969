"""What a backfill tells about itself while it goes on, and the bar that shows it."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator
from typing import Protocol

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)


@dataclasses.dataclass(frozen=True, slots=True)
class Standing:
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

    def stands(self, standing: Standing) -> None:
        """Hear how far it is: at its beginning, after each page and after each shard."""


class Unwatched:
    """Shows nothing."""

    def stands(self, standing: Standing) -> None:
        """Nothing."""


class BackfillBar:
    """One bar on `progress`: shards, rows, requests, the month, the time left."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._task = progress.add_task("backfill", total=None, told="")

    def stands(self, standing: Standing) -> None:
        """Move the bar."""
        month = "" if standing.left is None else f"  {standing.left:,} left"
        shards = f"{standing.ended:,}/{standing.shards:,} shards"
        told = f"{shards}  {standing.rows:,} rows  {standing.requests:,} requests{month}"
        self._progress.update(self._task, total=1.0, completed=standing.share, told=told)


@contextlib.contextmanager
def backfill_bar(console: Console) -> Iterator[BackfillBar]:
    """A bar on `console` while the block runs; it leaves no trace."""
    columns = (
        BarColumn(bar_width=16),
        TextColumn("{task.fields[told]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        yield BackfillBar(progress)
