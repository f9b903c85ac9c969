"""What happens on a market: prices move, listings vanish, return and appear."""

import random
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from decimal import Decimal

from sandbox.market.board import Quote, seeded_random
from sandbox.market.market import Market
from sandbox.market.money import convert
from sandbox.market.providers import KEYS


@dataclass(frozen=True, slots=True)
class QuoteSelection:
    """Which quotes to touch: how many, whose, of which items, and the seed of the choice (None: the next)."""

    quotes: int
    provider: int | None = None
    item_ids: frozenset[int] | None = None
    seed: int | None = None

    def matches(self, market: Market, place: int) -> bool:
        """Return whether a place is of the provider and items asked for."""
        board = market.board
        return self.provider in {None, board.provider_of[place]} and (
            self.item_ids is None or board.item(place).item_id in self.item_ids
        )


@dataclass(frozen=True, slots=True)
class QuoteChange:
    """One quote that was touched; prices in US cents, None where nothing is listed."""

    provider: str
    item_id: int
    before: int | None
    after: int | None

    def as_dict(self) -> dict[str, str | int | None]:
        """For an answer in JSON."""
        return asdict(self)


def move(market: Market, pick: QuoteSelection, now: int, factor: float | None = None) -> list[QuoteChange]:
    """Change exactly `pick.quotes` listed prices, each visibly in every currency. Raises ValueError."""
    chance = _chance(market, pick)
    changes: dict[int, Quote | None] = {}
    for place, quote in _chosen(market, pick, chance).items():
        wanted = round(quote.price * (factor or 1 + chance.choice((-1, 1)) * chance.uniform(0.01, 0.1)))
        changes[place] = Quote(visible_price(quote.price, wanted, market.rates), quote.quantity, now)
    return _write(market, changes, now)


def restock(market: Market, pick: QuoteSelection, now: int) -> list[QuoteChange]:
    """Change the quantity of exactly `pick.quotes` listed quotes and leave their prices."""
    chosen = _chosen(market, pick, _chance(market, pick))
    changes = {place: Quote(quote.price, quote.quantity + 1, now) for place, quote in chosen.items()}
    return _write(market, changes, now)


def vanish(market: Market, pick: QuoteSelection, now: int) -> list[QuoteChange]:
    """Take exactly `pick.quotes` listings away."""
    chosen = _chosen(market, pick, _chance(market, pick))
    market.vanished.update(chosen)
    return _write(market, dict.fromkeys(chosen), now)


def restore(market: Market, now: int) -> list[QuoteChange]:
    """Bring back all that vanished: same price, same quantity, same moment of change."""
    back, market.vanished = market.vanished, {}
    return _write(market, back, now)


def appear(market: Market, pick: QuoteSelection, now: int) -> list[QuoteChange]:
    """List exactly `pick.quotes` quotes where nothing was listed, those that vanished left out."""
    chance = _chance(market, pick)
    empty = [
        place
        for place in range(len(market.board))
        if market.current_quote(place) is None
        and place not in market.vanished
        and pick.matches(market, place)
    ]
    changes = {place: _new(market, place, now, chance) for place in _sample(empty, pick.quotes, chance)}
    return _write(market, changes, now)


def visible_price(price: int, wanted: int, rates: Mapping[str, Decimal]) -> int:
    """Return a price at or near the wanted one that differs from the old one in every currency."""
    step = 1 if wanted >= price else -1
    new = max(wanted, 1)
    while any(_hidden(price, new, rate) for rate in rates.values()):
        new, step = new + step, 2 * step
        if new < 1:
            new, step = price + 1, 1
    return new


def _hidden(before: int, after: int, rate: Decimal) -> bool:
    """Tell whether two prices look the same; a hundredth apart, they cannot."""
    return abs(after - before) * rate < 1 and convert(after, rate).decimal == convert(before, rate).decimal


def _chance(market: Market, pick: QuoteSelection) -> random.Random:
    market.moves += 1
    return seeded_random("move", market.moves) if pick.seed is None else seeded_random("move", pick.seed)


def _chosen(market: Market, pick: QuoteSelection, chance: random.Random) -> dict[int, Quote]:
    listed = {
        place: quote
        for place in range(len(market.board))
        if (quote := market.current_quote(place)) is not None
        and market.board.provider_of[place] not in market.dark
        and pick.matches(market, place)
    }
    return {place: listed[place] for place in _sample(list(listed), pick.quotes, chance)}


def _sample(places: list[int], count: int, chance: random.Random) -> list[int]:
    if count > len(places):
        raise ValueError(f"{len(places)} quotes can be touched, not {count}")
    return sorted(chance.sample(places, count))


def _new(market: Market, place: int, now: int, chance: random.Random) -> Quote:
    price = market.board.item(place).draft.price
    return Quote(max(3, round(price * chance.uniform(0.8, 1.2))), chance.randint(1, 20), now)


def _write(market: Market, changes: Mapping[int, Quote | None], now: int) -> list[QuoteChange]:
    touched = [_touched(market, place, quote) for place, quote in changes.items()]
    market.apply(changes, now)
    return touched


def _touched(market: Market, place: int, after: Quote | None) -> QuoteChange:
    before = market.current_quote(place)
    key, item = KEYS[market.board.provider_of[place]], market.board.item(place)
    return QuoteChange(key, item.item_id, before and before.price, after and after.price)
