"""What a plan is: which shards fetch what is wanted, by which routes, for how many requests. Data only."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

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
class Item:
    """One catalog entry; `phase` is None for an unphased item and for the aggregate over an item's phases."""

    item_id: str | None
    market_hash_name: str
    phase: str | None


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
    def listed(self) -> bool:
        """Whether it takes what a listing brings, rather than asking for its items by name."""
        return self.items is None or self.route not in {"item", "batch"}

    @property
    def least_requests(self) -> int:
        """What the walk costs at least: a request an item, one for 100 items, or the first page."""
        return 1 if self.items is None else named_requests(self.route, len(self.items))


def named_requests(route: Route, items: int) -> int:
    """How many requests so many items cost by this route, where the pages of a listing count as one."""
    if route == "item":
        return items
    return -(-items // BATCH_ITEMS) if route == "batch" else 1


@dataclass(frozen=True, slots=True)
class Want:
    """What a basket wants of a source, in the source's own names.

    `items` None is the whole catalog. `bidders` are the providers whose buy orders are wanted too.
    `every_provider` and `every_bidder` say that there are no others. `phased` are the names of items that
    have phases. `fx` says whether the API converts, or one table of rates does when the quotes are read.
    `runs_a_day` are the most runs that any 24 hours hold.
    """

    source: str
    items: tuple[Item, ...] | None
    providers: tuple[str, ...]
    currencies: tuple[str, ...] = ("USD",)
    bidders: tuple[str, ...] = ()
    every_provider: bool = False
    every_bidder: bool = False
    phased: frozenset[str] = frozenset()
    fx: Literal["api", "table"] = "api"
    route: Literal["auto", "item", "catalog", "batch", "stream"] = "auto"
    runs_a_day: int = 1


@dataclass(frozen=True, slots=True)
class Sizes:
    """How many rows catalogs have: at their last complete look, by delivery and provider, or else at most."""

    seen: Mapping[tuple[str, str], int] = field(default_factory=dict)
    at_most: int = 0

    def known(self, delivery: str, provider: str) -> bool:
        """Whether this catalog was ever looked at."""
        return (delivery, provider) in self.seen

    def rows(self, delivery: str, provider: str) -> int:
        """The rows of a provider's catalog."""
        return self.seen.get((delivery, provider), self.at_most)


@dataclass(frozen=True, slots=True)
class Leg:
    """A part of a plan: some items (None = all) at some providers, in one currency, by one route.

    `requests` is exact, or the most it can be where a catalog's size is not known; then `least` is smaller.
    """

    route: Route
    deliveries: tuple[str, ...]
    currency: str
    providers: tuple[str, ...]
    items: tuple[Item, ...] | None
    requests: int
    least: int
    every_provider: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """The shards of one basket, and `notes` for whoever reads the plan.

    `legs` are the same by route. `fx_table` says that the run asks for the exchange rates too. `starts` are
    the stream starts that the plan uses up in 24 hours, by delivery.
    """

    shards: tuple[Shard, ...]
    notes: tuple[str, ...]
    legs: tuple[Leg, ...] = ()
    fx_table: bool = False
    starts: Mapping[str, int] = field(default_factory=dict)

    @property
    def requests(self) -> int:
        """What a run sends: exactly, or at most where a catalog was never looked at; retries come on top."""
        return sum(leg.requests for leg in self.legs) + self.fx_table

    @property
    def least_requests(self) -> int:
        """What a run sends at least."""
        return sum(leg.least for leg in self.legs) + self.fx_table
