"""Plan a snapshot of a source that lists everything at once, and the walks through its offers."""

from common.shards import Item
from connectors.shards import BID_DELIVERIES, LISTING_DELIVERIES
from connectors.skinshark.markets import needs_proof
from connectors.skinshark.offers import COST, PAGE_OFFERS
from pipelines.planning.model import PlanStep, SnapshotPlan, SnapshotRequest
from pipelines.planning.plan_building import build_plan
from pipelines.planning.route_options import USD


def plan_listing(request: SnapshotRequest) -> SnapshotPlan:
    """Return the plan of a source that lists everything at once, in US dollars."""
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
    return build_plan(request, steps, notes=tuple(notes))


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
