"""The progress of a snapshot, for progress bars and the Prefect artifact."""

from __future__ import annotations

from typing import Protocol

from connectors.shards import Shard
from pipelines.snapshot.page_writers import LandedPage


class Progress(Protocol):
    """Receives the progress of the baskets of a snapshot."""

    def planned(self, basket: str, shards: tuple[Shard, ...]) -> None:
        """Receive a basket whose extraction starts."""

    def landed(self, basket: str, shard: Shard, page: LandedPage) -> None:
        """Receive a page that is on disk."""

    def ended(self, basket: str, shard: Shard, failure: str | None) -> None:
        """Receive a shard whose extraction has ended, with the reason where it is not complete."""

    def finished(self, basket: str) -> None:
        """Receive a basket whose extraction has ended."""


class PageCounter:
    """Counts the pages and rows of a basket, and estimates its total number of pages."""

    def __init__(self, shards: tuple[Shard, ...]) -> None:
        self._expected = {shard.number: shard.least_requests for shard in shards}
        self.pages = 0
        self.rows = 0

    def landed(self, shard: Shard, page: LandedPage) -> None:
        """Count a page; the first page of a catalog gives the number of pages of its shard."""
        if shard.uses_listing and page.meta.offset == 0 and page.meta.total > 0:
            self._expected[shard.number] = -(-page.meta.total // max(page.info.limit, 1))
        self.pages += 1
        self.rows += page.rows

    @property
    def total(self) -> int:
        """The expected number of pages, as far as is known."""
        return max(sum(self._expected.values()), self.pages)


class NullProgress:
    """Ignores the progress."""

    def planned(self, basket: str, shards: tuple[Shard, ...]) -> None:
        """Do nothing."""

    def landed(self, basket: str, shard: Shard, page: LandedPage) -> None:
        """Do nothing."""

    def ended(self, basket: str, shard: Shard, failure: str | None) -> None:
        """Do nothing."""

    def finished(self, basket: str) -> None:
        """Do nothing."""
