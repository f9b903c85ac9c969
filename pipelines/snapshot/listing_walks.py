"""Walk through the offers of a basket's items, one item after the other."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from common.errors import RouteForbidden, SourceError
from common.shards import Item
from connectors.base import Connector
from connectors.listings import ListingWalk
from pipelines.results import FATAL_SOURCE_ERRORS, CatalogReport

# After so many items in a row without an answer, the others would cost tokens for nothing.
MAX_FAILED: Final = 3


class ListingWalker:
    """Walks through the offers of `items`, up to `cap` of each; keeps the walks, and what failed.

    `odd` has the fields of offers that could not be read. `land` is called after each walk, and lands all
    `walks`: the next ones may take minutes of the rate limit.
    """

    def __init__(self, items: Sequence[Item], cap: int, *, land: Callable[[], Awaitable[None]]) -> None:
        self._items = items
        self._cap = cap
        self._land = land
        self.walks: list[ListingWalk] = []
        self.failures: list[str] = []
        self.odd: dict[str, None] = {}

    async def run(self, connector: Connector) -> None:
        """Walk through the items in their order. Raises FATAL_SOURCE_ERRORS, and what `land` raises."""
        failed = 0
        for place, item in enumerate(self._items):
            try:
                walk = await connector.walk_listings(item, self._cap)
            except FATAL_SOURCE_ERRORS:
                raise
            except SourceError as error:
                self.failures.append(f"offers of {item.label}: {error}")
                failed += 1
                left = len(self._items) - place - 1
                if left and (isinstance(error, RouteForbidden) or failed == MAX_FAILED):
                    self.failures.append(f"the offers of {left:,} more items were not requested")
                    return
            else:
                failed = 0
                self.walks.append(walk)
                self.odd.update(dict.fromkeys(f"{item.label}: {each}" for each in walk.odd))
                if walk.problem:
                    self.failures.append(f"offers of {item.label}: {walk.problem}")
                await self._land()

    @property
    def report(self) -> CatalogReport:
        """What could not be read of the offers."""
        return CatalogReport("listings", odd=tuple(self.odd))
