"""SnapshotRequest, CatalogSizes, PlanStep, SnapshotPlan."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from common.shards import Item
from connectors.shards import Route, Shard


@dataclass(frozen=True, slots=True)
class SnapshotRequest:
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
class CatalogSizes:
    """How many rows catalogs have: at their last complete look, by delivery and provider, or else at most."""

    seen: Mapping[tuple[str, str], int] = field(default_factory=dict)
    at_most: int = 0

    def is_known(self, delivery: str, provider: str) -> bool:
        """Whether this catalog was ever looked at."""
        return (delivery, provider) in self.seen

    def row_count(self, delivery: str, provider: str) -> int:
        """The rows of a provider's catalog."""
        return self.seen.get((delivery, provider), self.at_most)


@dataclass(frozen=True, slots=True)
class PlanStep:
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
class SnapshotPlan:
    """The shards of one basket, and `notes` for whoever reads the plan.

    `legs` are the same by route. `fx_table` says that the run asks for the exchange rates too. `starts` are
    the stream starts that the plan uses up in 24 hours, by delivery.
    """

    shards: tuple[Shard, ...]
    notes: tuple[str, ...]
    legs: tuple[PlanStep, ...] = ()
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
