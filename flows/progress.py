"""What a fetch tells about itself while it goes on, to whoever watches."""

from __future__ import annotations

from typing import Protocol

from connectors.plan import Shard
from flows.press import LandedPage


class Progress(Protocol):
    """What the fetch tells about itself."""

    def planned(self, basket: str, shards: tuple[Shard, ...]) -> None:
        """A basket is about to be fetched."""

    def landed(self, basket: str, shard: Shard, page: LandedPage) -> None:
        """A page is on disk."""

    def finished(self, basket: str) -> None:
        """Nothing more will come for a basket."""


class Silent:
    """Shows nothing."""

    def planned(self, basket: str, shards: tuple[Shard, ...]) -> None:
        """Nothing."""

    def landed(self, basket: str, shard: Shard, page: LandedPage) -> None:
        """Nothing."""

    def finished(self, basket: str) -> None:
        """Nothing."""
