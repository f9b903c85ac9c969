"""SkinShark's price listing: the asks of C5Game and ECOSteam in the same market, in US dollars."""

from typing import NamedTuple

from sandbox.http_types import Json
from sandbox.market.catalog import Item
from sandbox.market.market import Index, Market
from sandbox.market.providers import INDEX

C5, ECOSTEAM = INDEX["c5"], INDEX["ecosteam"]
FEE_PERCENT = 5  # the merchant's
FIRST_ID = 100_000  # SkinShark's ids are unlike those of CS2Cap
# Newer documents give both prices of a phase, not only the standard one, and have no parameter `market`.
SHAPES = ("old", "new")


class ListingQuery(NamedTuple):
    """The query of a listing: market 0 (both), 3 (C5Game) or 4 (ECOSteam), fees or not, and the shape."""

    market: int
    fees: bool
    shape: str = "old"


class LowestAsks(NamedTuple):
    """The lowest asks for one name at one marketplace, US cents: of all phases, and of each."""

    lowest: int | None
    phases: dict[str, int]


_NO_ASKS = LowestAsks(None, {})


def build_rows(market: Market, now: int, query: ListingQuery) -> list[dict[str, Json]]:
    """Return one row per name of the catalog, as the index serves it at `now` (microseconds)."""
    index = market.index(now)
    c5 = lowest_asks(market, index, C5) if query.market != 4 else {}
    eco = lowest_asks(market, index, ECOSTEAM) if query.market != 3 else {}
    return [
        _build_row(item, c5.get(item.name, _NO_ASKS), eco.get(item.name, _NO_ASKS), query)
        for item in market.board.catalog.items
        if item.phase is None
    ]


def lowest_asks(market: Market, index: Index, provider: int) -> dict[str, LowestAsks]:
    """Return the lowest asks of a marketplace, by name."""
    asks: dict[str, LowestAsks] = {}
    if provider in index.dark:
        return asks
    for place in market.board.by_provider[provider]:
        quote, item = index.quotes[place], market.board.item(place)
        if quote is not None:
            lowest, phases = asks.get(item.name, _NO_ASKS)
            phase = {} if item.phase is None else {item.phase: quote.price}
            asks[item.name] = LowestAsks(min(lowest or quote.price, quote.price), {**phases, **phase})
    return asks


def _build_row(item: Item, c5: LowestAsks, eco: LowestAsks, query: ListingQuery) -> dict[str, Json]:
    # ECOSteam's price of a name has a source of its own: it can be above the prices of the phases.
    eco_lowest = eco.lowest if eco.lowest is None or not eco.phases else eco.lowest + 1
    standard = min((price for price in (c5.lowest, eco_lowest) if price is not None), default=None)
    row: dict[str, Json] = {
        "itemId": str(FIRST_ID + item.item_id),
        "marketHashName": item.name,
        "instant": _dollars(_instant_price(item, c5.lowest), fees=query.fees),
        "standard": _dollars(standard, fees=query.fees),
    }
    if eco.phases:
        row["phases"] = {
            phase: _build_phase(item, price, c5.phases.get(phase), query)
            for phase, price in eco.phases.items()
        }
    return row


def _build_phase(item: Item, standard: int, c5: int | None, query: ListingQuery) -> Json:
    dollars = _dollars(standard, fees=query.fees)
    if query.shape == "old":
        return dollars
    return {"standard": dollars, "instant": _dollars(_instant_price(item, c5), fees=query.fees)}


def _instant_price(item: Item, c5: int | None) -> int | None:
    """Return the price for instant delivery, which C5Game has for two items in three."""
    return None if c5 is None or item.item_id % 3 == 0 else -(-c5 * 104 // 100)


def _dollars(cents: int | None, *, fees: bool) -> float | None:
    """Return a JSON number with at most two decimal places; with fees it is rounded up."""
    if cents is None:
        return None
    return (-(-cents * (100 + FEE_PERCENT) // 100) if fees else cents) / 100
