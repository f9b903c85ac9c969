"""What a run shows while it goes on: bars on stderr, or nothing."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Protocol

from connectors.base import Page
from connectors.plan import Shard

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID


class Progress(Protocol):
    """What the fetch tells about itself."""

    def planned(self, basket: str, shards: tuple[Shard, ...]) -> None:
        """A basket is about to be fetched."""

    def landed(self, basket: str, shard: Shard, page: Page) -> None:
        """A page is on disk."""

    def finished(self, basket: str) -> None:
        """Nothing more will come for a basket."""


class Silent:
    """Shows nothing."""

    def planned(self, basket: str, shards: tuple[Shard, ...]) -> None:
        """Nothing."""

    def landed(self, basket: str, shard: Shard, page: Page) -> None:
        """Nothing."""

    def finished(self, basket: str) -> None:
        """Nothing."""


class Bars:
    """One bar a basket: pages, rows, rate and time left. A catalog's first page tells how many there are."""

    def __init__(self, progress: RichProgress) -> None:
        self._progress = progress
        self._tasks: dict[str, TaskID] = {}
        self._pages: dict[str, dict[int, int]] = {}
        self._rows: dict[str, int] = {}

    def planned(self, basket: str, shards: tuple[Shard, ...]) -> None:
        """Begin the basket's bar with the fewest requests that its plan can need."""
        self._pages[basket] = {shard.number: shard.least_requests for shard in shards}
        self._rows[basket] = 0
        self._tasks[basket] = self._progress.add_task(basket, total=self._total(basket), rows="0 rows")

    def landed(self, basket: str, shard: Shard, page: Page) -> None:
        """Move the bar by a page; the first page of a catalog tells how long it is."""
        if shard.items is None and page.offset == 0 and page.total > 0 and len(page.rows):
            self._pages[basket][shard.number] = -(-page.total // len(page.rows))
        self._rows[basket] += len(page.rows)
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
def bars(*, shown: bool) -> Iterator[Progress]:
    """Bars on stderr where a person watches; silence otherwise."""
    if not shown:
        yield Silent()
        return
    from rich import progress as rich_progress
    from rich.console import Console

    columns = (
        rich_progress.TextColumn("{task.description}"),
        rich_progress.BarColumn(),
        rich_progress.MofNCompleteColumn(),
        rich_progress.TextColumn("pages  {task.fields[rows]}"),
        rich_progress.TimeElapsedColumn(),
        rich_progress.TimeRemainingColumn(),
    )
    with rich_progress.Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        yield Bars(progress)
