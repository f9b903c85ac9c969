"""Plan a snapshot with the fewest requests. Pure: a plan can be displayed before any request is sent."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from common.errors import ConfigError, PlanForbids
from common.shards import Item
from common.text import quote
from connectors.shards import (
    ASK_DELIVERIES,
    BID_DELIVERIES,
    LISTING_DELIVERIES,
    Route,
    Shard,
    request_count,
)
from connectors.skinshark.markets import needs_proof
from connectors.skinshark.offers import COST, PAGE_OFFERS
from connectors.tiers import TierLimits
from pipelines.planning.model import CatalogSizes, PlanStep, SnapshotPlan, SnapshotRequest

USD: Final = "USD"
# A stream must save so many requests to be worth one of the few starts of a day.
STREAM_MIN_SAVING: Final = 10
# What one feed may name.
MAX_FEED_ITEMS: Final = 100
# The most items of a shard.
SHARD_LIMITS: Final[Mapping[Route, int]] = {"item": 100, "batch": 1_000}
RouteOption = tuple[PlanStep, ...]


def plan_snapshot(
    request: SnapshotRequest,
    limits: TierLimits,
    sizes: CatalogSizes,
    *,
    stream_starts: Mapping[str, int] | None = None,
) -> SnapshotPlan:
    """Choose the shards with the fewest requests within the limits of the account.

    `stream_starts` are the stream starts a day that other baskets leave, by delivery; all of them by default.
    Of two routes with the same cost, the simpler one is taken. Raises PlanForbids for a request that the tier
    does not include, and ConfigError for a request that no tier can serve.
    """
    _check(request, limits)
    if limits.listing:
        return _plan_listing(request)
    fx_table = request.fx == "table" and request.currencies != (USD,)
    starts_left = dict.fromkeys((*ASK_DELIVERIES, *BID_DELIVERIES), limits.streams_a_day)
    starts_left.update(stream_starts or {})
    steps: list[PlanStep] = []
    notes: list[str] = []
    starts_used: dict[str, int] = {}
    for side in _sides(replace(request, currencies=(USD,)) if fx_table else request, limits, sizes):
        option, note = _choose(side, request, may_stream=starts_left[side.delivery] >= request.runs_a_day)
        steps += option
        notes.append(note)
        if any(step.route == "stream" for step in option):
            starts_used[side.delivery] = request.runs_a_day
    if fx_table:
        notes.append("one table of exchange rates a run, converted when read: 1 request")
    notes += _warnings(request, steps, sizes)
    return _build_plan(request, steps, notes=tuple(notes), stream_starts=starts_used, fx_table=fx_table)


def depends_on_sizes(request: SnapshotRequest, limits: TierLimits) -> bool:
    """Return whether `plan_snapshot` uses the sizes of the catalogs: they may be costly to read."""
    asks = next(_sides(request, limits, CatalogSizes()))
    return not limits.listing and not asks.takes_one_request(request)


def _plan_listing(request: SnapshotRequest) -> SnapshotPlan:
    """Plan a source that lists everything at once."""
    steps, notes = [], []
    if request.asks:
        proof = needs_proof(request.providers)
        steps.append(_listing_step(request, LISTING_DELIVERIES, 1 + proof, at_least=1))
        notes.append("everything is listed at once: one request")
        if proof:
            notes.append("another request proves that the server lists this market alone")
    if request.bidders:
        # The bids have names: their ids are those of the listing.
        names = request.items is None and not request.asks
        steps.append(_listing_step(request, BID_DELIVERIES, 1 + names, at_least=1 + names))
        notes.append("the bids are what a deposit pays: one request" + (", and the listing" if names else ""))
    if request.listings_cap and request.items:
        step = _offers_step(request, request.items)
        steps.append(step)
        if step.requests > step.at_least:
            notes.append(
                f"how many pages of offers an item has is unknown: {step.at_least:,} to {step.requests:,}"
                f" requests for {len(step.items or ()):,} items"
            )
        notes.append(f"each request for offers takes {COST} tokens: at most {step.requests * COST:,} a run")
    return _build_plan(request, steps, notes=tuple(notes))


def _offers_step(request: SnapshotRequest, items: tuple[Item, ...]) -> PlanStep:
    """Return the walk through the offers of each item, whose phases are listed together.

    Offers that move between two pages are read twice.
    """
    by_id = {item.item_id: Item(item.item_id, item.market_hash_name, None) for item in items}
    pages = -(-request.listings_cap // PAGE_OFFERS)
    return PlanStep(
        route="offers",
        deliveries=LISTING_DELIVERIES,
        currency=USD,
        providers=request.providers,
        items=tuple(by_id.values()),
        requests=len(by_id) * (pages if pages == 1 else 2 * pages),
        at_least=len(by_id),
        cost=COST,
    )


def _listing_step(
    request: SnapshotRequest, deliveries: tuple[str, ...], requests: int, *, at_least: int
) -> PlanStep:
    return PlanStep(
        route="listing",
        deliveries=deliveries,
        currency=USD,
        providers=request.providers,
        items=request.items,
        requests=requests,
        at_least=at_least,
        every_provider=request.every_provider,
    )


@dataclass(frozen=True, slots=True)
class _Side:
    """Asks or bids in one currency, and the steps that can fetch them."""

    deliveries: tuple[str, ...]
    currency: str
    providers: tuple[str, ...]
    every_provider: bool
    limits: TierLimits
    sizes: CatalogSizes

    @property
    def delivery(self) -> str:
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
        options = {} if items is None else self.named_options(items)
        if self.takes_one_request(request):
            return options
        listed = None if items is None else _without(items, aggregates)
        if listed != ():  # a catalog does not list aggregates: they are requested by name
            by_name = min(self.named_options(aggregates).values(), key=_cost)
            catalogs = (self.catalog_step(provider, listed) for provider in self.providers)
            options["catalog"] = (*catalogs, *by_name)
            if self.limits.streams_a_day and self.currency == USD:
                options["stream"] = (self.step("stream", listed, 1), *by_name)
        return options

    def takes_one_request(self, request: SnapshotRequest) -> bool:
        """Return whether one request by name fetches everything: no other route takes fewer."""
        options = {} if request.items is None else self.named_options(request.items)
        may_choose = request.route == "auto" or request.route in options
        return may_choose and min(map(_cost, options.values()), default=0) == 1

    def named_options(self, items: tuple[Item, ...]) -> dict[Route, RouteOption]:
        """Return the steps for named items: one by one, and in batches if the tier has them.

        A batch by name loses a phase that has no id.
        """
        single = tuple(item for item in items if item.item_id is None and item.phase is not None)
        batched = _without(items, single)
        options: dict[Route, RouteOption] = {"item": self.named_step("item", items)}
        if self.limits.batch and batched:
            options["batch"] = (*self.named_step("batch", batched), *self.named_step("item", single))
        return options

    def named_step(self, route: Route, items: tuple[Item, ...]) -> RouteOption:
        return (self.step(route, items, request_count(route, len(items))),) if items else ()

    def catalog_step(self, provider: str, items: tuple[Item, ...] | None) -> PlanStep:
        pages = max(-(-self.sizes.row_count(self.delivery, provider) // self.limits.page_rows), 1)
        step = replace(self, providers=(provider,), every_provider=False).step("catalog", items, pages)
        return step if self.sizes.is_known(self.delivery, provider) else replace(step, at_least=1)

    def step(self, route: Route, items: tuple[Item, ...] | None, requests: int) -> PlanStep:
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


def _check(request: SnapshotRequest, limits: TierLimits) -> None:
    if limits.listing and (request.currencies != (USD,) or request.route != "auto"):
        raise ConfigError("this source lists prices in USD, all at once: leave out currencies and route")
    if request.items is None and request.route in {"item", "batch"}:
        raise ConfigError(f'route = "{request.route}" needs named items; "all" goes by catalog or stream')
    if request.route == "stream" and request.fx == "api" and request.currencies != (USD,):
        raise ConfigError('route = "stream" is in USD only: set fx = "table" for other currencies')
    if request.live and request.items is not None and len(request.items) > MAX_FEED_ITEMS:
        raise ConfigError(
            f"live = true names at most {MAX_FEED_ITEMS} items, and this basket has {len(request.items)}:"
            ' write items = ["all"], or another basket'
        )
    missing = {
        "the batch route": request.route == "batch" and not limits.batch,
        "the stream route": request.route == "stream" and not limits.streams_a_day,
        "bids": bool(request.bidders) and not limits.bids,
        "the feeds": request.live and not limits.feeds,
    }
    forbidden = [what for what, is_missing in missing.items() if is_missing]
    if forbidden:
        raise PlanForbids(
            f"the {limits.tier} tier does not include {' and '.join(forbidden)}", request.source
        )


def _sides(request: SnapshotRequest, limits: TierLimits, sizes: CatalogSizes) -> Iterator[_Side]:
    asks = (ASK_DELIVERIES, request.providers, request.every_provider)
    bids = (BID_DELIVERIES, request.bidders, request.every_bidder)
    for deliveries, providers, every_provider in (asks, bids) if request.bidders else (asks,):
        for currency in request.currencies:
            yield _Side(
                deliveries, currency, providers, every_provider=every_provider, limits=limits, sizes=sizes
            )


def _choose(side: _Side, request: SnapshotRequest, *, may_stream: bool) -> tuple[RouteOption, str]:
    """Return the configured route or the cheapest one, and a note that explains the choice."""
    options = side.route_options(request)
    if request.route in options:
        option = options[request.route]
        return option, f"{side}: {_describe(option)}, as configured"
    costs = {route: _cost(option) for route, option in options.items()}
    paged: list[Route] = [route for route in options if route != "stream"]
    best = min(paged, key=costs.__getitem__)  # the first of equal costs: options start with the simplest
    if may_stream and "stream" in options and costs[best] - costs["stream"] >= STREAM_MIN_SAVING:
        best = "stream"
    choice = _explain_choice(costs, best, may_stream=may_stream)
    return options[best], f"{side}: {_describe(options[best])}{choice}"


def _without(items: tuple[Item, ...], others: tuple[Item, ...]) -> tuple[Item, ...]:
    excluded = set(others)
    return tuple(item for item in items if item not in excluded)


def _build_plan(
    request: SnapshotRequest,
    steps: Sequence[PlanStep],
    *,
    notes: tuple[str, ...],
    stream_starts: Mapping[str, int] | None = None,
    fx_table: bool = False,
) -> SnapshotPlan:
    parts = [(step, items) for step in steps if step.route != "offers" for items in _split_items(step)]
    shards = tuple(
        Shard(
            number=number,
            source=request.source,
            currency=step.currency,
            providers=step.providers,
            items=items,
            deliveries=step.deliveries,
            every_provider=step.every_provider,
            route=step.route,
        )
        for number, (step, items) in enumerate(parts)
    )
    return SnapshotPlan(shards, notes, tuple(steps), fx_table=fx_table, stream_starts=stream_starts or {})


def _split_items(step: PlanStep) -> Iterator[tuple[Item, ...] | None]:
    """Yield the items of each shard of a step."""
    size = SHARD_LIMITS.get(step.route)
    if step.items is None or size is None:
        yield step.items
        return
    for start in range(0, len(step.items), size):
        yield step.items[start : start + size]


def _cost(option: Iterable[PlanStep]) -> int:
    return sum(step.requests for step in option)


def _describe(option: RouteOption) -> str:
    """Return the requests of an option in words, by route."""
    by_route: dict[Route, int] = {}
    for step in option:
        by_route[step.route] = by_route.get(step.route, 0) + step.requests
    parts = [f"{count:,} by {route}" for route, count in by_route.items()]
    total = sum(by_route.values())
    return f"{total:,} request{'' if total == 1 else 's'} ({', '.join(parts)})"


def _explain_choice(costs: Mapping[Route, int], best: Route, *, may_stream: bool) -> str:
    """Return the cost of the other routes, and why a stream was not chosen."""
    others = [f"{route} {cost:,}" for route, cost in costs.items() if route not in {best, "stream"}]
    if "stream" in costs and best != "stream":
        why = f"saves less than {STREAM_MIN_SAVING}" if may_stream else "a day has too few starts left"
        others.append(f"stream {costs['stream']:,} ({why})")
    return f"; instead: {', '.join(others)}" if others else ""


def _warnings(request: SnapshotRequest, steps: Sequence[PlanStep], sizes: CatalogSizes) -> Iterator[str]:
    unknown = {step.providers[0] for step in steps if step.at_least < step.requests}
    if unknown:
        yield (
            f"catalogs that were never fetched completely count with {sizes.at_most:,} rows, the number of"
            f" items, at most ({len(unknown)} here)"
        )
    yield from _phase_warnings(request)
    if request.live:
        feeds = "the feeds of asks and bids take" if request.bidders else "the feed of asks takes one of"
        yield (
            f"live: {feeds} the key's two connections; each opening counts as a request here, and what a"
            " connection costs is not documented"
        )


def _phase_warnings(request: SnapshotRequest) -> Iterator[str]:
    phased = [item for item in request.items or () if item.market_hash_name in request.phased]
    aggregates = [item for item in phased if item.phase is None]
    without_id = [item for item in phased if item.phase is not None and item.item_id is None]
    if aggregates:
        yield (
            f"without a phase, a name returns only the cheapest of its phases ({len(aggregates)} here):"
            f" {quote(f'{aggregates[0].market_hash_name} @ *')} requests each phase"
        )
    if without_id:
        yield (
            f"a batch by name would lose the phases that have no id of their own ({len(without_id)} here, the"
            f" first of {quote(without_id[0].market_hash_name)}): these are requested one by one"
        )
