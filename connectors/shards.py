"""The shard of a snapshot plan: which items it fetches, by which route, for how many requests. Data only."""

from typing import Final, Literal

from msgspec import Struct

from common.shards import Item

BATCH_ITEMS: Final = 100
# One request per item, the pages of a provider's catalog, one request per 100 items, the whole index as one
# stream, the pages of a source that lists everything at once, or the offers of one item after the other.
Route = Literal["item", "catalog", "batch", "stream", "listing", "offers"]
ASK_DELIVERIES: Final = ("standard",)
BID_DELIVERIES: Final = ("bid",)
LISTING_DELIVERIES: Final = ("standard", "instant")


class Shard(Struct, frozen=True):
    """The scope of one extraction: `items` (None: the whole catalog) at `providers`, in one currency.

    `number` counts from 0 within the plan. `providers` is the exact scope, one provider for a catalog;
    `every_provider` says that the source has no others, so that a request need not name them.
    """

    number: int
    source: str
    currency: str
    providers: tuple[str, ...]
    items: tuple[Item, ...] | None
    deliveries: tuple[str, ...] = ASK_DELIVERIES
    every_provider: bool = False
    route: Route = "item"

    @property
    def uses_listing(self) -> bool:
        """Whether the shard takes its items from a listing, instead of requesting them by name."""
        return self.items is None or self.route not in {"item", "batch"}

    @property
    def least_requests(self) -> int:
        """The least number of requests: one per item, one per 100 items, or the first page."""
        return 1 if self.items is None else request_count(self.route, len(self.items))


def request_count(route: Route, items: int) -> int:
    """Return the requests for `items` items by `route`; the pages of a listing count as one."""
    if route == "item":
        return items
    return -(-items // BATCH_ITEMS) if route == "batch" else 1
