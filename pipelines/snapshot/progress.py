"""What a fetch tells about itself while it goes on, to whoever watches."""

from __future__ import annotations

from typing import Protocol

from connectors.shards import Shard
from pipelines.snapshot.page_writers import LandedPage


class Progress(Protocol):
    """What the fetch tells about itself."""

    def planned(self, basket: str, shards: tuple[Shard, ...]) -> None:
        """A basket is about to be fetched."""

    def landed(self, basket: str, shard: Shard, page: LandedPage) -> None:
        """A page is on disk."""

    def finished(self, basket: str) -> None:
        """Nothing more will come for a basket."""


class PageCounter:
    """How far a basket is: pages and rows. A catalog's first page tells how many pages there are."""

    def __init__(self, shards: tuple[Shard, ...]) -> None:
        self._expected = {shard.number: shard.least_requests for shard in shards}
        self.pages = 0
        self.rows = 0

    def landed(self, shard: Shard, page: LandedPage) -> None:
        """Count a page."""
        if shard.uses_listing and page.mark.offset == 0 and page.mark.total > 0:
            self._expected[shard.number] = -(-page.mark.total // max(page.sheet.limit, 1))
        self.pages += 1
        self.rows += page.rows

    @property
    def total(self) -> int:
        """How many pages there will be, as far as is known."""
        return max(sum(self._expected.values()), self.pages)


class NullProgress:
    """Shows nothing."""

    def planned(self, basket: str, shards: tuple[Shard, ...]) -> None:
        """Nothing."""

    def landed(self, basket: str, shard: Shard, page: LandedPage) -> None:
        """Nothing."""

    def finished(self, basket: str) -> None:
        """Nothing."""
