"""The two sides of a market: what is asked at a place, and what is bid there, made from what is asked."""

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

from sandbox.market.board import Quote
from sandbox.market.market import Index, Market, QuoteLookup
from sandbox.market.providers import INDEX, PROVIDERS

_BUYERS = "buff163,buffmarket,c5,csfloat,dmarket,dupefi,ecosteam,marketcsgo,steam,waxpeer,whitemarket,youpin"
BUYERS = tuple(INDEX[key] for key in _BUYERS.split(","))  # positions of who takes buy orders


class BookSide(NamedTuple):
    """How one side is asked for and told: path, name in a refusal, fields of a row, who has it, links."""

    path: str
    name: str
    price: str
    decimal: str
    quantity: str
    providers: tuple[int, ...]
    of: Callable[[Index], Index]
    links: bool

    @property
    def unavailable(self) -> str:
        """The code of an index that is away."""
        return f"{self.name.upper()}_INDEX_UNAVAILABLE"


class Bids:
    """The highest bid of every place, computed when it is looked at."""

    def __init__(self, asks: QuoteLookup) -> None:
        self._asks = asks

    def __getitem__(self, place: int) -> Quote | None:
        return bid_for(place, self._asks[place])


def bid_for(place: int, ask: Quote | None) -> Quote | None:
    """Return the highest bid where this is asked: 3 to 14 percent below; at one place of ten there is none.

    It changes with every change of the ask: in its price, or in the number of bids.
    """
    lot = place * 2_654_435_761 % 2**32 >> 8
    if ask is None or ask.price < 2 or lot % 10 == 0:
        return None
    price = max(1, ask.price * (860 + lot % 111) // 1000)
    return Quote(price, 1 + (lot + ask.price + ask.quantity) % 60, ask.changed)


def listing_order(market: Market, side: BookSide, index: Index, providers: tuple[int, ...]) -> list[int]:
    """Return the places that a walk over one side of these providers lists, in its order."""
    places = market.listed(providers)
    return places if side is ASKS else [place for place in places if index.quotes[place] is not None]


def _bids(index: Index) -> Index:
    return replace(index, quotes=Bids(index.quotes), best=max)


ASKS = BookSide(
    path="/v1/prices",
    name="prices",
    price="lowest_ask",
    decimal="lowest_ask_decimal",
    quantity="quantity",
    providers=tuple(range(len(PROVIDERS))),
    of=lambda index: index,
    links=True,
)
BIDS = BookSide(
    path="/v1/bids",
    name="bids",
    price="highest_bid",
    decimal="highest_bid_decimal",
    quantity="num_bids",
    providers=BUYERS,
    of=_bids,
    links=False,
)
