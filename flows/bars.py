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

from connectors.plan import Shard
from flows.press import LandedPage
from flows.progress import Tally


class Rate(ProgressColumn):
    """Pages a second, once it can be told."""

    def render(self, task: Task) -> Text:
        """As text."""
        return Text(f"{task.speed:.1f}/s" if task.speed else "")


class Bars:
    """One bar a basket on `progress`. A catalog's first page tells how many there are."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._tasks: dict[str, TaskID] = {}
        self._tallies: dict[str, Tally] = {}

    def planned(self, basket: str, shards: tuple[Shard, ...]) -> None:
        """Begin the basket's bar with the fewest requests that its plan can need."""
        tally = self._tallies[basket] = Tally(shards)
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
def bars(console: Console) -> Iterator[Bars]:
    """Bars on `console` while the block runs; they leave no trace."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("pages"),
        Rate(),
        TextColumn("{task.fields[rows]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        yield Bars(progress)
