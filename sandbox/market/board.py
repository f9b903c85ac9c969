"""The board of a market: the places where items can be listed, and the first quotes at them."""

import math
import random
from array import array
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import accumulate
from typing import NamedTuple

from sandbox.clock import SECOND
from sandbox.market.catalog import Catalog, Item
from sandbox.market.providers import PROVIDERS

RESERVE = 0.05  # share of the places without a quote at the start, so that listings can appear


class Quote(NamedTuple):
    """The lowest ask at a place: US cents, quantity, and the last change (microseconds) or None."""

    price: int
    quantity: int
    changed: int | None


Quotes = list[Quote | None]  # by place; None where nothing is listed


class Board:
    """All places of a market. A place is an item at a provider; its number is its position in a listing.

    Items and providers are numbers too: an item's index in the catalog, a provider's position in `PROVIDERS`.
    """

    def __init__(self, catalog: Catalog, places: Sequence[tuple[int, int]]) -> None:
        self.catalog = catalog
        self.item_of = array("l", (item for item, _ in places))
        self.provider_of = array("b", (provider for _, provider in places))
        self.by_provider: list[list[int]] = [[] for _ in PROVIDERS]
        counts = [0] * len(catalog.items)
        for place, (item, provider) in enumerate(places):
            self.by_provider[provider].append(place)
            counts[item] += 1
        self._first_place = [0, *accumulate(counts)]

    def __len__(self) -> int:
        return len(self.item_of)

    def item(self, place: int) -> Item:
        """Return the catalog item of a place."""
        return self.catalog.items[self.item_of[place]]

    def of_item(self, item: Item) -> range:
        """Return the places of one item."""
        return range(self._first_place[item.item_id - 1], self._first_place[item.item_id])

    def of_providers(self, providers: Iterable[int]) -> list[int]:
        """Return the places of these providers, in the order of a listing."""
        return sorted(place for provider in providers for place in self.by_provider[provider])


def seeded_random(*seed: object) -> random.Random:
    """Return a random generator that repeats itself for the same seed."""
    return random.Random(repr(seed))  # noqa: S311 - a market, not a secret


@lru_cache(maxsize=2)  # many markets of one process are equal at their start
def seed_board(
    catalog: Catalog, seed: int, *, now: int, count: int | None
) -> tuple[Board, tuple[Quote | None, ...]]:
    """Return a board and its first quotes: at 2 of 5 places, or exactly `count`. Raises ValueError."""
    rng = seeded_random(seed, "places")
    scored = [
        (rng.random() / provider.coverage, index, position)
        for index, item in enumerate(catalog.items)
        if not item.aggregate
        for position, provider in enumerate(PROVIDERS)
    ]
    listed_below, placed_below = 1 - RESERVE, 1.0
    if count is not None:
        listed_below, placed_below = _thresholds([score for score, *_ in scored], count)
    chosen = [place for place in scored if place[0] < placed_below]
    board = Board(catalog, [(item, provider) for _, item, provider in chosen])
    return board, tuple(
        _first_quote(board, place, now=now, rng=rng) if score < listed_below else None
        for place, (score, *_) in enumerate(chosen)
    )


def _thresholds(scores: list[float], count: int) -> tuple[float, float]:
    """Return the scores below which exactly `count` places have a quote, and a few more exist."""
    if not 1 <= count <= len(scores):
        raise ValueError(f"a catalog of this size has 1 to {len(scores)} quotes, not {count}")
    ranked = [*sorted(scores), math.inf]
    return ranked[count], ranked[min(round(count * (1 + RESERVE)) + 1, len(scores))]


def _first_quote(board: Board, place: int, *, now: int, rng: random.Random) -> Quote:
    item, provider = board.item(place), PROVIDERS[board.provider_of[place]]
    rarity = 1.0 if item.phase is None else 1 + item.draft.phases.index(item.phase) * 0.35
    price = item.draft.price * rarity * (0.75 + provider.sell_fee) * rng.uniform(0.85, 1.18)
    return Quote(max(3, round(price)), 1 + int(rng.expovariate(0.08)), _first_change(now, rng))


def _first_change(now: int, rng: random.Random) -> int | None:
    """Return a time some hours ago, every third time in whole seconds; None for one quote in fifty."""
    kind = rng.random()
    ago = int(min(rng.expovariate(1 / 6), 700) * 3600 * SECOND)
    if kind < 0.02:
        return None
    return (now - ago) // SECOND * SECOND if kind < 1 / 3 else now - ago
