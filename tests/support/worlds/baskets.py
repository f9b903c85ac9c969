"""The baskets of a world: what each of their runs requests."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from random import Random
from typing import TypeVar

from tests.support.warehouse import ItemTuple
from tests.support.worlds.kinds import Kind
from tests.support.worlds.market import Market

Thing = TypeVar("Thing")


@dataclasses.dataclass(frozen=True, slots=True)
class Request:
    """What one shard requests."""

    currency: str
    deliveries: tuple[str, ...]
    providers: tuple[str, ...]
    items: tuple[ItemTuple, ...] | None = None
    listing: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class Basket:
    """A basket of one source. Its runs request the shards of `requests`."""

    name: str
    market: Market
    interval_seconds: int | None
    requests: tuple[Request, ...]


def create_baskets(rng: Random, kind: Kind, market: Market) -> list[Basket]:
    """Return the baskets of a source: one, or several that overlap."""
    count = rng.randint(2, 3) if kind.overlapping else 1
    return [_create_basket(rng, kind, market, number) for number in range(count)]


def _create_basket(rng: Random, kind: Kind, market: Market, number: int) -> Basket:
    everything = "catalog" if market.source == "cs2cap" else "listing"
    route = everything if number == 0 and rng.random() < 0.7 else rng.choice([everything, "items"])
    requests = _catalog(rng, kind, market) if route == "catalog" else []
    if route == "listing":
        requests = [
            Request("USD", _both(market, kind), (provider,), listing=True)
            for provider in _some(rng, market.providers)
        ]
    elif route == "items":
        requests = _named(rng, kind, market)
    interval = rng.choice([600, 900, 3600, None] if kind.overlapping else [600, 1800])
    return Basket(f"{route}-{number}", market, interval, tuple(requests))


def _catalog(rng: Random, kind: Kind, market: Market) -> list[Request]:
    return [
        Request(currency, (side,), (provider,))
        for currency in _currencies(rng, kind)
        for side in _sides(rng, market, kind)
        for provider in _some(rng, market.providers)
    ]


def _named(rng: Random, kind: Kind, market: Market) -> list[Request]:
    """Return requests of some items in batches, each for several providers; some by name only, or twice."""
    items = list({item.item_id: item.request for item in _some(rng, market.items)}.values())
    by_name = 0.0 if kind.renamed else 0.15  # what is requested by an old name is nowhere said
    items = [
        (None if phase is None and rng.random() < by_name else item_id, name, phase)
        for item_id, name, phase in items
    ]
    size = rng.randint(2, 6)
    batches = [tuple(items[start : start + size]) for start in range(0, len(items), size)]
    if len(batches) > 1 and rng.random() < 0.4:
        batches[-1] += (rng.choice(batches[0]),)
    providers = tuple(_some(rng, market.providers))
    return [
        Request(currency, _both(market, kind) if market.source == "skinshark" else (side,), providers, batch)
        for currency in _currencies(rng, kind if market.source == "cs2cap" else Kind(currencies=("USD",)))
        for side in _sides(rng, market, kind)
        for batch in batches
    ]


def _currencies(rng: Random, kind: Kind) -> list[str]:
    first, *others = kind.currencies
    return [first, *(currency for currency in others if rng.random() < 0.4)]


def _sides(rng: Random, market: Market, kind: Kind) -> list[str]:
    bids = kind.many_sides and market.source == "cs2cap" and rng.random() < 0.5
    return ["standard", "bid"] if bids else ["standard"]


def _both(market: Market, kind: Kind) -> tuple[str, ...]:
    return ("standard", "instant") if kind.many_sides else ("standard",)


def _some(rng: Random, candidates: Sequence[Thing]) -> list[Thing]:
    """Return at least one of the candidates, in their order."""
    chosen = [candidate for candidate in candidates if rng.random() < 0.75]
    return chosen or [rng.choice(candidates)]
