"""The routes that can fetch one side of a basket: its asks or its bids, in one currency."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from common.shards import Item
from connectors.shards import BID_DELIVERIES, Route, request_count
from connectors.tiers import TierLimits
from pipelines.planning.model import CatalogSizes, PlanStep, SnapshotRequest

USD: Final = "USD"
RouteOption = tuple[PlanStep, ...]


@dataclass(frozen=True, slots=True)
class Side:
    """Asks or bids in one currency, and the steps that can fetch them."""

    deliveries: tuple[str, ...]
    currency: str
    providers: tuple[str, ...]
    every_provider: bool
    limits: TierLimits
    sizes: CatalogSizes

    @property
    def delivery(self) -> str:
        """The delivery that names the catalogs of this side."""
        return self.deliveries[0]

    def __str__(self) -> str:
        return f"{self.currency} {'bids' if self.deliveries == BID_DELIVERIES else 'asks'}"

    def route_options(self, request: SnapshotRequest) -> dict[Route, RouteOption]:
        """Return the steps of every route that the tier allows, the simplest route first.

        Where one request by name is enough, there are no other routes.
        """
        items = request.items
        aggregates = tuple(
            item for item in items or () if item.phase is None and item.market_hash_name in request.phased
        )
        options = {} if items is None else self._named_options(items)
        if self.takes_one_request(request):
            return options
        listed = None if items is None else _without(items, aggregates)
        if listed != ():  # a catalog does not list aggregates: they are requested by name
            by_name = min(self._named_options(aggregates).values(), key=count_requests)
            catalogs = (self._catalog_step(provider, listed) for provider in self.providers)
            options["catalog"] = (*catalogs, *by_name)
            if self.limits.streams_a_day and self.currency == USD:
                options["stream"] = (self._step("stream", listed, 1), *by_name)
        return options

    def takes_one_request(self, request: SnapshotRequest) -> bool:
        """Return whether one request by name fetches everything: no other route takes fewer."""
        options = {} if request.items is None else self._named_options(request.items)
        may_choose = request.route == "auto" or request.route in options
        return may_choose and min(map(count_requests, options.values()), default=0) == 1

    def _named_options(self, items: tuple[Item, ...]) -> dict[Route, RouteOption]:
        """Return the steps for named items: one by one, and in batches if the tier has them.

        A batch by name loses a phase that has no id.
        """
        single = tuple(item for item in items if item.item_id is None and item.phase is not None)
        batched = _without(items, single)
        options: dict[Route, RouteOption] = {"item": self._named_step("item", items)}
        if self.limits.batch and batched:
            options["batch"] = (*self._named_step("batch", batched), *self._named_step("item", single))
        return options

    def _named_step(self, route: Route, items: tuple[Item, ...]) -> RouteOption:
        return (self._step(route, items, request_count(route, len(items))),) if items else ()

    def _catalog_step(self, provider: str, items: tuple[Item, ...] | None) -> PlanStep:
        pages = max(-(-self.sizes.row_count(self.delivery, provider) // self.limits.page_rows), 1)
        at_least = pages if self.sizes.is_known(self.delivery, provider) else 1
        step = self._step("catalog", items, pages)
        return replace(step, providers=(provider,), every_provider=False, at_least=at_least)

    def _step(self, route: Route, items: tuple[Item, ...] | None, requests: int) -> PlanStep:
        return PlanStep(
            route=route,
            deliveries=self.deliveries,
            currency=self.currency,
            providers=self.providers,
            items=items,
            requests=requests,
            at_least=requests,
            every_provider=self.every_provider,
        )


def count_requests(option: Iterable[PlanStep]) -> int:
    """Return the requests of all steps of an option."""
    return sum(step.requests for step in option)


def _without(items: tuple[Item, ...], others: tuple[Item, ...]) -> tuple[Item, ...]:
    excluded = set(others)
    return tuple(item for item in items if item not in excluded)
