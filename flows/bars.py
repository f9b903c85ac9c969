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
        self._pages: dict[str, dict[int, int]] = {}
        self._rows: dict[str, int] = {}

    def planned(self, basket: str, shards: tuple[Shard, ...]) -> None:
        """Begin the basket's bar with the fewest requests that its plan can need."""
        self._pages[basket] = {shard.number: shard.least_requests for shard in shards}
        self._rows[basket] = 0
        self._tasks[basket] = self._progress.add_task(basket, total=self._total(basket), rows="0 rows")

    def landed(self, basket: str, shard: Shard, page: LandedPage) -> None:
        """Move the bar by a page; the first page of a catalog tells how long it is."""
        if shard.items is None and page.mark.offset == 0 and page.mark.total > 0 and page.rows:
            self._pages[basket][shard.number] = -(-page.mark.total // page.rows)
        self._rows[basket] += page.rows
        self._progress.update(
            self._tasks[basket], advance=1, total=self._total(basket), rows=f"{self._rows[basket]:,} rows"
        )

    def finished(self, basket: str) -> None:
        """Fill the bar."""
        task = self._progress.tasks[self._tasks[basket]]
        self._progress.update(task.id, total=task.completed)

    def _total(self, basket: str) -> int:
        return sum(self._pages[basket].values())


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
