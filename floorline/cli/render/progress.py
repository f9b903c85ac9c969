"""Progress bars on stderr, of snapshots and of backfills. They disappear at the end of the run."""

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
    """The bar of a backfill: its share of the time range, shards, rows, requests, and the month's quota."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._task = progress.add_task("backfill", total=None, counts="")

    def update(self, update: ProgressUpdate) -> None:
        """Show the progress."""
        counts = [
            f"{update.ended:,}/{update.shards:,} shards",
            f"{update.rows:,} rows",
            f"{update.requests:,} requests",
        ]
        if update.quota_remaining is not None:
            counts.append(f"{update.quota_remaining:,} left")
        self._progress.update(self._task, total=1.0, completed=update.fraction, counts="  ".join(counts))


@contextlib.contextmanager
def backfill_bar(console: Console) -> Iterator[BackfillBar]:
    """Show the bar of a backfill on `console` while the block runs."""
    columns = (BarColumn(bar_width=16), TextColumn("{task.fields[counts]}"), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        yield BackfillBar(progress)


class PageRateColumn(ProgressColumn):
    """Pages per second; empty until the rate is known."""

    def render(self, task: Task) -> Text:
        """Return the rate as text."""
        return Text(f"{task.speed:.1f}/s" if task.speed else "")


class ProgressBars:
    """The bars of a snapshot, one per basket: pages, rows, rate and time left."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._tasks: dict[str, TaskID] = {}
        self._counters: dict[str, PageCounter] = {}

    def planned(self, basket: str, shards: tuple[Shard, ...]) -> None:
        """Add the basket's bar, with the fewest pages that its plan can need."""
        counter = self._counters[basket] = PageCounter(shards)
        self._tasks[basket] = self._progress.add_task(basket, total=counter.total, rows="0 rows")

    def landed(self, basket: str, shard: Shard, page: LandedPage) -> None:
        """Advance the bar by a page; the first page of a catalog corrects the bar's total."""
        counter = self._counters[basket]
        counter.landed(shard, page)
        rows = f"{counter.rows:,} rows"
        self._progress.update(self._tasks[basket], advance=1, total=counter.total, rows=rows)

    def ended(self, basket: str, shard: Shard, failure: str | None) -> None:
        """Show nothing: the result of the run has the reasons."""

    def finished(self, basket: str) -> None:
        """Fill the bar."""
        task = self._progress.tasks[self._tasks[basket]]
        self._progress.update(task.id, total=task.completed)


@contextlib.contextmanager
def progress_bars(console: Console) -> Iterator[ProgressBars]:
    """Show the bars of a snapshot on `console` while the block runs."""
    columns = (
        TextColumn("{task.description}", markup=False),
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
