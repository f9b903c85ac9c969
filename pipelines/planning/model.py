"""The snapshot planner's input and output: what a basket requests, catalog sizes, and the resulting plan."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from common.shards import Item
from connectors.shards import Route, Shard


@dataclass(frozen=True, slots=True)
class SnapshotRequest:
    """The quotes that a basket requests from a source, in the names of the source.

    `items` None is the whole catalog. Without `asks`, only bids are requested. The offers of
    each item are read up to `listings_cap`. `bidders` are the providers
    whose buy orders are requested, too. `every_provider` and `every_bidder` say that the source has no
    others. `phased` are the names of items that have phases. `fx` says whether the API converts currencies,
    or one table of rates does when the quotes are read. `live` follows the feeds, too. `runs_a_day` is the
    maximum number of runs in any 24 hours. `unreadable` says what the basket names and no catalog has,
    because an entry of the catalog cannot be read.
    """

    source: str
    items: tuple[Item, ...] | None
    providers: tuple[str, ...]
    currencies: tuple[str, ...] = ("USD",)
    asks: bool = True
    listings_cap: int = 0
    bidders: tuple[str, ...] = ()
    every_provider: bool = False
    every_bidder: bool = False
    phased: frozenset[str] = frozenset()
    fx: Literal["api", "table"] = "api"
    route: Literal["auto", "item", "catalog", "batch", "stream"] = "auto"
    live: bool = False
    runs_a_day: int = 1
    unreadable: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether nothing is left of what the basket names."""
        return not self.providers or not self.currencies or self.items == ()


@dataclass(frozen=True, slots=True)
class CatalogSizes:
    """The number of rows of each provider's catalog.

    `seen` has the sizes of the last complete extractions, by delivery and provider; `at_most` is the maximum
    for all others.
    """

    seen: Mapping[tuple[str, str], int] = field(default_factory=dict)
    at_most: int = 0

    def is_known(self, delivery: str, provider: str) -> bool:
        """Return whether this catalog was ever extracted completely."""
        return (delivery, provider) in self.seen

    def row_count(self, delivery: str, provider: str) -> int:
        """Return the number of rows of a provider's catalog, or their maximum."""
        return self.seen.get((delivery, provider), self.at_most)


@dataclass(frozen=True, slots=True)
class PlanStep:
    """One route of a plan: some items (None: all) at some providers, in one currency.

    `requests` is the exact number, or the maximum if the size of a catalog is unknown; `at_least` is the
    minimum. Each request takes `cost` of the limit per minute. A step by "offers" has no shard.
    """

    route: Route
    deliveries: tuple[str, ...]
    currency: str
    providers: tuple[str, ...]
    items: tuple[Item, ...] | None
    requests: int
    at_least: int
    every_provider: bool = False
    cost: int = 1


@dataclass(frozen=True, slots=True)
class SnapshotPlan:
    """The shards of one basket, and `notes` for the reader of the plan.

    `steps` has the same by route. `fx_table` says that each run fetches the exchange rates, too.
    `stream_starts` counts the starts of streams in 24 hours, by delivery.
    """

    shards: tuple[Shard, ...]
    notes: tuple[str, ...]
    steps: tuple[PlanStep, ...] = ()
    fx_table: bool = False
    stream_starts: Mapping[str, int] = field(default_factory=dict)

    @property
    def requests(self) -> int:
        """The requests of a run without retries: exact, or the maximum if a catalog's size is unknown."""
        return sum(step.requests for step in self.steps) + self.fx_table

    @property
    def tokens(self) -> int:
        """What these requests take of the limit per minute."""
        return sum(step.requests * step.cost for step in self.steps) + self.fx_table

    @property
    def walked_items(self) -> tuple[Item, ...]:
        """The items whose offers are read one by one."""
        return next((step.items or () for step in self.steps if step.route == "offers"), ())

    @property
    def least_requests(self) -> int:
        """The minimum number of requests of a run."""
        return sum(step.at_least for step in self.steps) + self.fx_table
