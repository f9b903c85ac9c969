"""From what a basket wants to the plan with the fewest requests; pure, so it can be shown beforehand."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from common.errors import ConfigError, PlanForbids
from common.shards import Item
from common.text import sanitize
from connectors.shards import (
    ASKS,
    BATCH_SHARD_ITEMS,
    BIDS,
    LISTED,
    SHARD_ITEMS,
    Route,
    Shard,
    request_count,
)
from connectors.tiers import TierLimits
from pipelines.planning.model import CatalogSizes, PlanStep, SnapshotPlan, SnapshotRequest

USD: Final = "USD"
# What a stream must save before it is worth one of the day's few starts.
STREAM_MIN_SAVING: Final = 10
SHARD_LIMITS: Final[Mapping[Route, int]] = {"item": SHARD_ITEMS, "batch": BATCH_SHARD_ITEMS}
RouteOption = tuple[PlanStep, ...]


def plan_snapshot(
    want: SnapshotRequest, terms: TierLimits, sizes: CatalogSizes, starts: Mapping[str, int] | None = None
) -> SnapshotPlan:
    """Choose the shards with the fewest requests for what is wanted, within the account's `terms`.

    `starts` are the stream starts a day that other baskets leave, by delivery; all of them by default. Where
    two routes cost the same, the simpler one is taken. Raises PlanForbids for what the tier does not include,
    and ConfigError for what no tier can do.
    """
    _check(want, terms)
    if terms.listing:
        return _build_plan(want, [_listing(want)], ("everything is listed at once: one request",), {})
    table = want.fx == "table" and want.currencies != (USD,)
    left = {delivery: terms.streams_a_day for (delivery,) in (ASKS, BIDS)} | dict(starts or {})
    legs: list[PlanStep] = []
    notes: list[str] = []
    used: dict[str, int] = {}
    for side in _sides(want, (USD,) if table else want.currencies):
        way, note = _choose(side, want, terms, sizes, streams=left[side.delivery] >= want.runs_a_day)
        legs += way
        notes.append(note)
        if any(leg.route == "stream" for leg in way):
            used[side.delivery] = want.runs_a_day
    if table:
        notes.append("one table of exchange rates a run, converted when read: 1 request")
    return _build_plan(want, legs, (*notes, *_warnings(want, legs, sizes)), used, table=table)


@dataclass(frozen=True, slots=True)
class _Side:
    """Asks or bids in one currency."""

    deliveries: tuple[str, ...]
    currency: str
    providers: tuple[str, ...]
    every_provider: bool

    @property
    def delivery(self) -> str:
        return self.deliveries[0]

    def __str__(self) -> str:
        return f"{self.currency} {'bids' if self.deliveries == BIDS else 'asks'}"


def _check(want: SnapshotRequest, terms: TierLimits) -> None:
    """Refuse what the tier does not include, and what cannot be."""
    if terms.listing and (want.currencies != (USD,) or want.route != "auto" or want.bidders):
        raise ConfigError("this source lists asks in USD, all at once: leave out currencies, route and bids")
    if want.items is None and want.route in {"item", "batch"}:
        raise ConfigError(f'route = "{want.route}" needs named items; "all" goes by catalog or stream')
    if want.route == "stream" and want.fx == "api" and want.currencies != (USD,):
        raise ConfigError('route = "stream" is in USD only: set fx = "table" for other currencies')
    lacking = {
        "the batch route": want.route == "batch" and not terms.batch,
        "the stream route": want.route == "stream" and not terms.streams_a_day,
        "bids": bool(want.bidders) and not terms.bids,
    }
    forbidden = [what for what, lacks in lacking.items() if lacks]
    if forbidden:
        raise PlanForbids(f"the {terms.tier} tier does not include {' and '.join(forbidden)}", want.source)


def _sides(want: SnapshotRequest, currencies: Sequence[str]) -> Iterator[_Side]:
    for currency in currencies:
        yield _Side(ASKS, currency, want.providers, want.every_provider)
    for currency in currencies if want.bidders else ():
        yield _Side(BIDS, currency, want.bidders, want.every_bidder)


def _choose(
    side: _Side, want: SnapshotRequest, terms: TierLimits, sizes: CatalogSizes, *, streams: bool
) -> tuple[RouteOption, str]:
    """The cheapest way, the simpler one of two, and why; a route that the user chose is kept."""
    ways = _ways(side, want, terms, sizes)
    if want.route in ways:
        return ways[want.route], f"{side}: {_describe(ways[want.route])}, as configured"
    paged: dict[Route, RouteOption] = {route: way for route, way in ways.items() if route != "stream"}
    best = min(paged, key=lambda route: _cost(paged[route]))
    if "stream" in ways and streams and _cost(paged[best]) - _cost(ways["stream"]) >= STREAM_MIN_SAVING:
        best = "stream"
    return ways[best], f"{side}: {_describe(ways[best])}{_explain_choice(ways, best, streams=streams)}"


def _ways(
    side: _Side, want: SnapshotRequest, terms: TierLimits, sizes: CatalogSizes
) -> dict[Route, RouteOption]:
    """Every way that the tier allows, the simplest route first."""
    apart = tuple(i for i in want.items or () if i.phase is None and i.market_hash_name in want.phased)
    listed = None if want.items is None else _without(want.items, apart)
    by_name = {} if want.items is None else _by_name(side, want.items, terms)
    aggregates = min(_by_name(side, apart, terms).values(), key=_cost)
    ways: dict[Route, RouteOption] = dict(by_name)
    if listed != ():
        catalogs = (_catalog(side, provider, listed, terms, sizes) for provider in side.providers)
        ways["catalog"] = (*catalogs, *aggregates)
        if terms.streams_a_day and side.currency == USD:
            ways["stream"] = (_leg(side, "stream", listed, 1), *aggregates)
    return {route: ways[route] for route in ("item", "batch", "catalog", "stream") if route in ways}


def _by_name(side: _Side, items: tuple[Item, ...], terms: TierLimits) -> dict[Route, RouteOption]:
    """One by one, and in batches where the tier has them; a phase without an id is never in a batch."""
    single = tuple(item for item in items if item.item_id is None and item.phase is not None)
    batched = _without(items, single)
    ways: dict[Route, RouteOption] = {"item": _named(side, "item", items)}
    if terms.batch and batched:
        ways["batch"] = (*_named(side, "batch", batched), *_named(side, "item", single))
    return ways


def _named(side: _Side, route: Route, items: tuple[Item, ...]) -> RouteOption:
    return (_leg(side, route, items, request_count(route, len(items))),) if items else ()


def _catalog(
    side: _Side, provider: str, items: tuple[Item, ...] | None, terms: TierLimits, sizes: CatalogSizes
) -> PlanStep:
    pages = max(-(-sizes.row_count(side.delivery, provider) // terms.page_rows), 1)
    leg = _leg(replace(side, providers=(provider,), every_provider=False), "catalog", items, pages)
    return leg if sizes.is_known(side.delivery, provider) else replace(leg, least=1)


def _leg(side: _Side, route: Route, items: tuple[Item, ...] | None, requests: int) -> PlanStep:
    return PlanStep(
        *(route, side.deliveries, side.currency, side.providers, items, requests, requests),
        every_provider=side.every_provider,
    )


def _listing(want: SnapshotRequest) -> PlanStep:
    return PlanStep("listing", LISTED, USD, want.providers, want.items, 1, 1, want.every_provider)


def _without(items: tuple[Item, ...], others: tuple[Item, ...]) -> tuple[Item, ...]:
    left_out = set(others)
    return tuple(item for item in items if item not in left_out)


def _build_plan(
    want: SnapshotRequest,
    legs: Sequence[PlanStep],
    notes: tuple[str, ...],
    starts: Mapping[str, int],
    *,
    table: bool = False,
) -> SnapshotPlan:
    parts = [(leg, items) for leg in legs for items in _split_items(leg)]
    shards = tuple(
        Shard(
            *(number, want.source, leg.currency, leg.providers, items, leg.deliveries),
            every_provider=leg.every_provider,
            route=leg.route,
        )
        for number, (leg, items) in enumerate(parts)
    )
    return SnapshotPlan(shards, notes, tuple(legs), table, starts)


def _split_items(leg: PlanStep) -> Iterator[tuple[Item, ...] | None]:
    """The items of a leg's shards."""
    size = SHARD_LIMITS.get(leg.route)
    if leg.items is None or size is None:
        yield leg.items
        return
    for at in range(0, len(leg.items), size):
        yield leg.items[at : at + size]


def _cost(way: Iterable[PlanStep]) -> int:
    return sum(leg.requests for leg in way)


def _describe(way: RouteOption) -> str:
    """A way in words: its routes, each with its requests."""
    counted: dict[Route, int] = {}
    for leg in way:
        counted[leg.route] = counted.get(leg.route, 0) + leg.requests
    parts = [f"{count:,} by {route}" for route, count in counted.items()]
    return f"{_cost(way):,} request{'s' if _cost(way) != 1 else ''} ({', '.join(parts)})"


def _explain_choice(ways: Mapping[Route, RouteOption], best: Route, *, streams: bool) -> str:
    """What the other ways would have cost, and why a stream was left alone."""
    others = [f"{route} {_cost(way):,}" for route, way in ways.items() if route not in {best, "stream"}]
    if "stream" in ways and best != "stream":
        why = f"saves less than {STREAM_MIN_SAVING}" if streams else "a day has too few starts left"
        others.append(f"stream {_cost(ways['stream']):,} ({why})")
    return f"; instead: {', '.join(others)}" if others else ""


def _warnings(want: SnapshotRequest, legs: Sequence[PlanStep], sizes: CatalogSizes) -> Iterator[str]:
    guessed = {leg.providers[0] for leg in legs if leg.least < leg.requests}
    if guessed:
        yield (
            f"catalogs that were never walked to their end count with {sizes.at_most:,} rows, the number of"
            f" items, at most ({len(guessed)} here)"
        )
    yield from _phases_lost(want)


def _phases_lost(want: SnapshotRequest) -> Iterator[str]:
    """Where a name stands for several phases, or a phase can only be asked for by its name."""
    named = [item for item in want.items or () if item.market_hash_name in want.phased]
    merged = [item for item in named if item.phase is None]
    nameless = [item for item in named if item.phase is not None and item.item_id is None]
    if merged:
        name = sanitize(merged[0].market_hash_name, 80)
        yield (
            f"without a phase, a name brings the cheapest of its phases only ({len(merged)} here):"
            f' "{name} @ *" asks for each'
        )
    if nameless:
        name = sanitize(nameless[0].market_hash_name, 80)
        yield (
            f"a batch by name would lose the phases that have no id of their own ({len(nameless)} here, the"
            f" first of {name}): these are asked for one by one"
        )
