"""Progress bars on stderr: pages, rows, rate and time left of each basket."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from connectors.shards import Shard
from pipelines.backfill.progress import ProgressUpdate
from pipelines.snapshot.page_writers import LandedPage
from pipelines.snapshot.progress import PageCounter


class BackfillBar:
    """One bar on `progress`: shards, rows, requests, the month, the time left."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._task = progress.add_task("backfill", total=None, told="")

    def update(self, standing: ProgressUpdate) -> None:
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


class PageRateColumn(ProgressColumn):
    """Pages a second, once it can be told."""

    def render(self, task: Task) -> Text:
        """As text."""
        return Text(f"{task.speed:.1f}/s" if task.speed else "")


class ProgressBars:
    """One bar a basket on `progress`. A catalog's first page tells how many there are."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._tasks: dict[str, TaskID] = {}
        self._tallies: dict[str, PageCounter] = {}

    def planned(self, basket: str, shards: tuple[Shard, ...]) -> None:
        """Begin the basket's bar with the fewest requests that its plan can need."""
        tally = self._tallies[basket] = PageCounter(shards)
        self._tasks[basket] = self._progress.add_task(basket, total=tally.total, rows="0 rows")

    def landed(self, basket: str, shard: Shard, page: LandedPage) -> None:
        """Move the bar by a page; the first page of a catalog tells how long it is."""
        tally = self._tallies[basket]
        tally.landed(shard, page)
        self._progress.update(self._tasks[basket], advance=1, total=tally.total, rows=f"{tally.rows:,} rows")

    def finished(self, basket: str) -> None:
        """Fill the bar."""
        task = self._progress.tasks[self._tasks[basket]]
        self._progress.update(task.id, total=task.completed)


@contextlib.contextmanager
def progress_bars(console: Console) -> Iterator[ProgressBars]:
    """Bars on `console` while the block runs; they leave no trace."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("pages"),
        PageRateColumn(),
        TextColumn("{task.fields[rows]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        yield ProgressBars(progress)
