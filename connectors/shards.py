"""What a plan is: which shards fetch what is wanted, by which routes, for how many requests. Data only."""

from dataclasses import dataclass
from typing import Final, Literal

from common.shards import Item

SHARD_ITEMS: Final = 100
BATCH_SHARD_ITEMS: Final = 1_000
BATCH_ITEMS: Final = 100
# How a shard is asked for: an item a request, a catalog by pages, up to 100 items a request, the whole index
# as one stream, or the pages of a source that lists everything at once.
Route = Literal["item", "catalog", "batch", "stream", "listing"]
ASKS: Final = ("standard",)
BIDS: Final = ("bid",)
LISTED: Final = ("standard", "instant")


@dataclass(frozen=True, slots=True)
class Shard:
    """What one walk fetches: `items` (None = the whole catalog) at `providers`, in one currency, by `route`.

    `number` counts from 0 within its plan. `providers` is the exact scope, one provider for a catalog;
    `every_provider` says that these are all the source has, so that a request need not name them.
    """

    number: int
    source: str
    currency: str
    providers: tuple[str, ...]
    items: tuple[Item, ...] | None
    deliveries: tuple[str, ...] = ASKS
    every_provider: bool = False
    route: Route = "item"

    @property
    def uses_listing(self) -> bool:
        """Whether it takes what a listing brings, rather than asking for its items by name."""
        return self.items is None or self.route not in {"item", "batch"}

    @property
    def least_requests(self) -> int:
        """What the walk costs at least: a request an item, one for 100 items, or the first page."""
        return 1 if self.items is None else request_count(self.route, len(self.items))


def request_count(route: Route, items: int) -> int:
    """How many requests so many items cost by this route, where the pages of a listing count as one."""
    if route == "item":
        return items
    return -(-items // BATCH_ITEMS) if route == "batch" else 1
