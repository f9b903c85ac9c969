"""The two sides of a market: asks, and bids that are computed from the asks."""

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

from sandbox.market.board import Quote
from sandbox.market.market import Index, Market, QuoteLookup
from sandbox.market.providers import INDEX, PROVIDERS

_BUYERS = "buff163,buffmarket,c5,csfloat,dmarket,dupefi,ecosteam,marketcsgo,steam,waxpeer,whitemarket,youpin"
BUYERS = tuple(INDEX[key] for key in _BUYERS.split(","))  # positions of the providers with buy orders


class BookSide(NamedTuple):
    """One side in the API: path, name in error messages, names of fields, providers, and rows with links.

    `quote_for` returns the side's quote at a place with this ask.
    """

    path: str
    name: str
    price: str
    decimal: str
    quantity: str
    providers: tuple[int, ...]
    of: Callable[[Index], Index]
    quote_for: Callable[[int, Quote | None], Quote | None]
    links: bool

    @property
    def unavailable(self) -> str:
        """The error code where this side has no index."""
        return f"{self.name.upper()}_INDEX_UNAVAILABLE"


class Bids:
    """The highest bid of every place, computed on access."""

    def __init__(self, asks: QuoteLookup) -> None:
        self._asks = asks

    def __getitem__(self, place: int) -> Quote | None:
        return bid_for(place, self._asks[place])


def bid_for(place: int, ask: Quote | None) -> Quote | None:
    """Return the highest bid for an ask, 3 to 14 percent below it; None at one place of ten.

    The price or the number of bids changes with every change of the ask.
    """
    noise = place * 2_654_435_761 % 2**32 >> 8
    if ask is None or ask.price < 2 or noise % 10 == 0:
        return None
    price = max(1, ask.price * (860 + noise % 111) // 1000)
    return Quote(price, 1 + (noise + ask.price + ask.quantity) % 60, ask.changed)


def listing_order(market: Market, side: BookSide, index: Index, *, providers: tuple[int, ...]) -> list[int]:
    """Return the places with a quote of these providers on one side, in the order of a listing."""
    places = market.listed(providers)
    return places if side is ASKS else [place for place in places if index.quotes[place] is not None]


ASKS = BookSide(
    path="/v1/prices",
    name="prices",
    price="lowest_ask",
    decimal="lowest_ask_decimal",
    quantity="quantity",
    providers=tuple(range(len(PROVIDERS))),
    of=lambda index: index,
    quote_for=lambda _place, ask: ask,
    links=True,
)
BIDS = BookSide(
    path="/v1/bids",
    name="bids",
    price="highest_bid",
    decimal="highest_bid_decimal",
    quantity="num_bids",
    providers=BUYERS,
    of=lambda index: replace(index, quotes=Bids(index.quotes), best=max),
    quote_for=bid_for,
    links=False,
)
