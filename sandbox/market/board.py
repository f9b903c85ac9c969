"""The fixed frame of a market: which item can be listed where, and the quotes it starts with."""

import math
import random
from array import array
from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import NamedTuple

from sandbox.market.catalog import Catalog, Item
from sandbox.market.providers import PROVIDERS, Provider

SECOND = 1_000_000
RESERVE = 0.05  # of all places start empty, so that listings can appear


class Quote(NamedTuple):
    """What is asked somewhere: US cents, pieces, and the moment of the last change (microseconds) or None."""

    price: int
    quantity: int
    changed: int | None


Quotes = list[Quote | None]  # one a place; None where nothing is listed


class Board:
    """Places (item, provider) in the order of a walk; a place's number is its position."""

    def __init__(self, catalog: Catalog, places: Sequence[tuple[int, int]]) -> None:
        self.catalog = catalog
        self.item_of = array("l", (item for item, _ in places))
        self.provider_of = array("b", (provider for _, provider in places))
        self.by_provider: list[list[int]] = [[] for _ in PROVIDERS]
        counts = [0] * len(catalog.items)
        for place, (item, provider) in enumerate(places):
            self.by_provider[provider].append(place)
            counts[item] += 1
        self._first = [0, *accumulate(counts)]

    def __len__(self) -> int:
        return len(self.item_of)

    def item(self, place: int) -> Item:
        """Return the catalog entry that is listed at this place."""
        return self.catalog.items[self.item_of[place]]

    def of_item(self, item: Item) -> range:
        """Return the places of one item; items are numbered from 1 without a gap."""
        return range(self._first[item.item_id - 1], self._first[item.item_id])

    def of_providers(self, providers: Iterable[int]) -> list[int]:
        """Return the places of these providers, in the order of a walk."""
        return sorted(place for provider in providers for place in self.by_provider[provider])


def seeded_random(*seed: object) -> random.Random:
    """Chance that is the same for the same seed."""
    return random.Random(repr(seed))  # noqa: S311 - a market, not a secret


def seed_board(catalog: Catalog, seed: int, now: int, count: int | None) -> tuple[Board, Quotes]:
    """Return a board and its first quotes: two of five places, or exactly `count`. Raises ValueError."""
    chance = seeded_random(seed, "places")
    scored = [
        (chance.random() / provider.coverage, index, position)
        for index, item in enumerate(catalog.items)
        if not item.aggregate
        for position, provider in enumerate(PROVIDERS)
    ]
    listed, bar = (1 - RESERVE, 1.0) if count is None else _bars([score for score, *_ in scored], count)
    chosen = [place for place in scored if place[0] < bar]
    board = Board(catalog, [(item, provider) for _, item, provider in chosen])
    full = enumerate(score < listed for score, *_ in chosen)
    return board, [_first_quote(board, place, now, chance) if here else None for place, here in full]


def _bars(scores: list[float], count: int) -> tuple[float, float]:
    """Return the scores below which exactly `count` places are listed, and a few more can be."""
    if not 1 <= count <= len(scores):
        raise ValueError(f"this many items have 1 to {len(scores)} quotes, not {count}")
    ranked = [*sorted(scores), math.inf]
    return ranked[count], ranked[min(round(count * (1 + RESERVE)) + 1, len(scores))]


def _first_quote(board: Board, place: int, now: int, chance: random.Random) -> Quote:
    item, provider = board.item(place), PROVIDERS[board.provider_of[place]]
    return Quote(_ask(item, provider, chance), 1 + int(chance.expovariate(0.08)), _changed(now, chance))


def _ask(item: Item, provider: Provider, chance: random.Random) -> int:
    rarity = 1.0 if item.phase is None else 1 + item.draft.phases.index(item.phase) * 0.35
    return max(3, round(item.draft.price * rarity * (0.75 + provider.sell_fee) * chance.uniform(0.85, 1.18)))


def _changed(now: int, chance: random.Random) -> int | None:
    """Return a moment some hours ago, every third in whole seconds; for one in fifty, none."""
    kind = chance.random()
    ago = int(min(chance.expovariate(1 / 6), 700) * 3600 * SECOND)
    if kind < 0.02:
        return None
    return (now - ago) // SECOND * SECOND if kind < 1 / 3 else now - ago
