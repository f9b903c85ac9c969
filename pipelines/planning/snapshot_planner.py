"""Plan a snapshot with the fewest requests. Pure: a plan can be displayed before any request is sent."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final

from common.errors import ConfigError, PlanForbids
from common.text import quote
from connectors.shards import ASK_DELIVERIES, BID_DELIVERIES, Route
from connectors.tiers import TierLimits
from pipelines.planning.listing_planner import plan_listing
from pipelines.planning.model import CatalogSizes, PlanStep, SnapshotPlan, SnapshotRequest
from pipelines.planning.plan_building import build_plan
from pipelines.planning.route_options import USD, RouteOption, Side, count_requests

# A stream must save so many requests to be worth one of the few starts of a day.
STREAM_MIN_SAVING: Final = 10
# What one feed may name.
MAX_FEED_ITEMS: Final = 100


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
        return plan_listing(request)
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
    return build_plan(request, steps, notes=tuple(notes), stream_starts=starts_used, fx_table=fx_table)


def depends_on_sizes(request: SnapshotRequest, limits: TierLimits) -> bool:
    """Return whether `plan_snapshot` uses the sizes of the catalogs: they may be costly to read."""
    asks = next(_sides(request, limits, CatalogSizes()))
    return not limits.listing and not asks.takes_one_request(request)


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


def _sides(request: SnapshotRequest, limits: TierLimits, sizes: CatalogSizes) -> Iterator[Side]:
    asks = (ASK_DELIVERIES, request.providers, request.every_provider)
    bids = (BID_DELIVERIES, request.bidders, request.every_bidder)
    for deliveries, providers, every_provider in (asks, bids) if request.bidders else (asks,):
        for currency in request.currencies:
            yield Side(
                deliveries, currency, providers, every_provider=every_provider, limits=limits, sizes=sizes
            )


def _choose(side: Side, request: SnapshotRequest, *, may_stream: bool) -> tuple[RouteOption, str]:
    """Return the configured route or the cheapest one, and a note that explains the choice."""
    options = side.route_options(request)
    if request.route in options:
        option = options[request.route]
        return option, f"{side}: {_describe(option)}, as configured"
    costs = {route: count_requests(option) for route, option in options.items()}
    paged: list[Route] = [route for route in options if route != "stream"]
    best = min(paged, key=costs.__getitem__)  # the first of equal costs: options start with the simplest
    if may_stream and "stream" in options and costs[best] - costs["stream"] >= STREAM_MIN_SAVING:
        best = "stream"
    choice = _explain_choice(costs, best, may_stream=may_stream)
    return options[best], f"{side}: {_describe(options[best])}{choice}"


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
