"""SkinShark's routes of a sub-user: the offers of one item, and what a deposit pays."""

from collections.abc import Sequence
from decimal import Decimal

from sandbox.http_types import ApiRequest, Json
from sandbox.market.catalog import Item
from sandbox.market.market import Market
from sandbox.skinshark.errors import ApiError, wrong_field
from sandbox.skinshark.faults import Fault
from sandbox.skinshark.listing import C5, ECOSTEAM, FIRST_ID, lowest_asks
from sandbox.skinshark.offers import OFFER_MARKETS, REACHABLE, Offer, Offers, build_offers
from sandbox.skinshark.params import parse_choice, parse_int, parse_share

MAX_OFFERS = 100
MAX_SELL_PRICES = 5_000
_DELIVERIES = ("standard", "instant")
_PHASES = ("Phase 1", "Phase 2", "Phase 3", "Phase 4", "Ruby", "Sapphire", "Black Pearl", "Emerald")


def list_offers(
    market: Market, offers: Offers, request: ApiRequest, item_id: str, *, now: int, faults: Sequence[Fault]
) -> Json:
    """Return a page of the offers of an item, the cheapest first. Raises ApiError."""
    item = _find_item(market, item_id)
    for fault in faults:
        if fault.kind in {"sold", "offered"}:
            change = offers.sell if fault.kind == "sold" else offers.offer
            change(item, int(fault.number("count", 1)), now)
    page, limit = parse_int(request, "page", 1), parse_int(request, "limit", MAX_OFFERS)
    if page < 1 or not 1 <= limit <= MAX_OFFERS:
        raise wrong_field(["page" if page < 1 else "limit"], "out of range")
    selected = _select(offers.at(item, now), request)[:REACHABLE]
    rows = build_offers(selected[(page - 1) * limit : page * limit])
    for fault in faults:
        if fault.kind == "broken_offer" and rows:
            rows[0] = {**rows[0], fault.text("field", "price"): fault.params.get("value")}
    return {"items": [*rows], "total": len(selected)}


def _select(offers: Sequence[Offer], request: ApiRequest) -> list[Offer]:
    """Return the offers that the parameters of a request select. Raises ApiError."""
    number = parse_int(request, "market", 0)
    if number not in {0, *OFFER_MARKETS}:
        raise ApiError("BAD_REQUEST", f"Market {number} lists no offers")
    delivery = parse_choice(request, "delivery", _DELIVERIES)
    phase = parse_choice(request, "phase", _PHASES)
    low, high = parse_share(request, "wearMin"), parse_share(request, "wearMax")
    if low is None or high is None:
        if low != high:
            raise wrong_field(["wearMin" if low is None else "wearMax"], "both are required")
        low, high = Decimal(0), Decimal(1)
    limited = request.one("wearMin") is not None
    return [
        each
        for each in offers
        if number in {0, each.market}
        and delivery in {None, each.delivery}
        and phase in {None, each.phase}
        and (not limited or (each.wear is not None and low <= Decimal(each.wear) <= high))
    ]


def list_sell_prices(market: Market, request: ApiRequest, *, now: int, faults: Sequence[Fault]) -> Json:
    """Return what a deposit pays for each name that C5Game or ECOSteam lists. Raises ApiError."""
    search, limit = request.one("search"), parse_int(request, "limit", MAX_SELL_PRICES)
    if not 1 <= limit <= MAX_SELL_PRICES:
        raise wrong_field(["limit"], "out of range")
    if search is not None and not 1 <= len(search) <= 128:
        raise wrong_field(["search"], "expected 1 to 128 characters")
    closed = any(fault.kind == "not_accepted" for fault in faults)
    rows = build_sell_prices(market, now, search or "")[:limit]
    return [{**row, "accepted": False} if closed else row for row in rows]


def build_sell_prices(market: Market, now: int, search: str = "") -> list[dict[str, Json]]:
    """Return the rows of the names that contain `search`: 88 percent of the lowest ask, before fees."""
    index = market.index(now)
    asks = [lowest_asks(market, index, provider) for provider in (C5, ECOSTEAM)]
    rows: list[dict[str, Json]] = []
    for item in market.board.catalog.items:
        prices = [side[item.name].lowest for side in asks if item.name in side]
        known = [price for price in prices if price is not None]
        if item.phase is None and known and search.lower() in item.name.lower():
            deposit, accepted = min(known) * 88 // 100 / 100, item.item_id % 7 != 0
            rows.append({"marketHashName": item.name, "deposit": deposit, "accepted": accepted})
    return rows


def _find_item(market: Market, item_id: str) -> Item:
    number = int(item_id) - FIRST_ID if item_id.isascii() and item_id.isdigit() else 0
    item = market.board.catalog.by_id.get(number)
    if item is None or item.phase is not None:
        raise ApiError("NOT_FOUND", "Item not found")
    return item
