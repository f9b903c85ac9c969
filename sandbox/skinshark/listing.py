"""SkinShark's price listing, made of the same market: what C5Game and ECOSteam ask there, in US dollars."""

from typing import NamedTuple

from sandbox.http_types import Json
from sandbox.market.catalog import Item
from sandbox.market.market import Index, Market
from sandbox.market.providers import INDEX

C5, ECOSTEAM = INDEX["c5"], INDEX["ecosteam"]
FEE = 5  # percent, the merchant's own
FIRST_ID = 100_000  # ids of its own, so that nobody takes them for another API's


class ListingQuery(NamedTuple):
    """What is asked of a listing: 0 blends the markets, 3 is C5Game, 4 is ECOSteam."""

    market: int
    fees: bool


class LowestAsks(NamedTuple):
    """The lowest asks for one name at one marketplace, US cents: of all phases, and of each."""

    lowest: int | None
    phases: dict[str, int]


def rows(market: Market, now: int, asked: ListingQuery) -> list[dict[str, Json]]:
    """Return a row for each name of the catalog, as the index stands at `now` (microseconds)."""
    index = market.index(now)
    c5 = _floors(market, C5, index) if asked.market != 4 and C5 not in index.dark else {}
    eco = _floors(market, ECOSTEAM, index) if asked.market != 3 and ECOSTEAM not in index.dark else {}
    names = (item for item in market.board.catalog.items if item.phase is None)
    nothing = LowestAsks(None, {})
    return [_row(item, c5.get(item.name, nothing), eco.get(item.name, nothing), asked) for item in names]


def _floors(market: Market, provider: int, index: Index) -> dict[str, LowestAsks]:
    found: dict[str, LowestAsks] = {}
    for place in market.board.by_provider[provider]:
        quote, item = index.quotes[place], market.board.item(place)
        if quote is not None:
            lowest, phases = found.get(item.name, LowestAsks(None, {}))
            named = {} if item.phase is None else {item.phase: quote.price}
            found[item.name] = LowestAsks(min(lowest or quote.price, quote.price), {**phases, **named})
    return found


def _row(item: Item, c5: LowestAsks, eco: LowestAsks, asked: ListingQuery) -> dict[str, Json]:
    standard = min((price for price in (c5.lowest, _standard(eco)) if price is not None), default=None)
    # one in three has nobody who delivers at once
    instant = None if c5.lowest is None or item.item_id % 3 == 0 else -(-c5.lowest * 104 // 100)
    row: dict[str, Json] = {
        "itemId": str(FIRST_ID + item.item_id),
        "marketHashName": item.name,
        "instant": _dollars(instant, asked),
        "standard": _dollars(standard, asked),
    }
    if eco.phases:
        row["phases"] = {phase: _dollars(price, asked) for phase, price in eco.phases.items()}
    return row


def _standard(eco: LowestAsks) -> int | None:
    """Return ECOSteam's price of a name, which is sourced apart from its phases and may lie above them."""
    return eco.lowest if eco.lowest is None or not eco.phases else eco.lowest + 1


def _dollars(cents: int | None, asked: ListingQuery) -> float | None:
    """Return a JSON number with at most two places, rounded up with the fee in it."""
    if cents is None:
        return None
    return (-(-cents * (100 + FEE) // 100) if asked.fees else cents) / 100
