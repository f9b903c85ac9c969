"""Changes of a market: prices move, listings vanish, return and appear."""

import random
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from decimal import Decimal

from sandbox.market.board import Quote, seeded_random
from sandbox.market.market import Market
from sandbox.market.money import convert
from sandbox.market.providers import KEYS


@dataclass(frozen=True, slots=True)
class QuoteSelection:
    """The quotes to change: how many, of which provider and items, and the seed of the random choice.

    Without a seed, each change of a market chooses others.
    """

    quotes: int
    provider: int | None = None
    item_ids: frozenset[int] | None = None
    seed: int | None = None

    def places(self, market: Market) -> Iterable[int]:
        """Return the places of the selected provider and items, in the order of a listing."""
        board = market.board
        places = range(len(board)) if self.provider is None else board.by_provider[self.provider]
        if self.item_ids is None:
            return places
        return [place for place in places if board.item(place).item_id in self.item_ids]


@dataclass(frozen=True, slots=True)
class QuoteChange:
    """One changed quote; prices in US cents, None where nothing is listed."""

    provider: str
    item_id: int
    before: int | None
    after: int | None

    def as_dict(self) -> dict[str, str | int | None]:
        """Return the fields of the JSON."""
        return asdict(self)


def move(
    market: Market, selection: QuoteSelection, now: int, *, factor: float | None = None
) -> list[QuoteChange]:
    """Change the prices of listed quotes, each visibly in every currency. Raises ValueError."""
    rng = _random_for(market, selection)
    changes: dict[int, Quote | None] = {}
    for place, quote in _choose_listed(market, selection, rng).items():
        price = round(quote.price * (factor or 1 + rng.choice((-1, 1)) * rng.uniform(0.01, 0.1)))
        changes[place] = Quote(visible_price(quote.price, price, market.rates), quote.quantity, now)
    return _apply(market, changes, now)


def restock(market: Market, selection: QuoteSelection, now: int) -> list[QuoteChange]:
    """Change the quantities of listed quotes, not their prices. Raises ValueError."""
    chosen = _choose_listed(market, selection, _random_for(market, selection))
    changes = {place: Quote(quote.price, quote.quantity + 1, now) for place, quote in chosen.items()}
    return _apply(market, changes, now)


def vanish(market: Market, selection: QuoteSelection, now: int) -> list[QuoteChange]:
    """Remove listed quotes. Raises ValueError."""
    chosen = _choose_listed(market, selection, _random_for(market, selection))
    market.vanished.update(chosen)
    return _apply(market, dict.fromkeys(chosen), now)


def restore(market: Market, now: int) -> list[QuoteChange]:
    """List all vanished quotes again with the same price, quantity and time of the last change."""
    vanished, market.vanished = market.vanished, {}
    return _apply(market, vanished, now)


def appear(market: Market, selection: QuoteSelection, now: int) -> list[QuoteChange]:
    """List quotes at empty places, without those where a quote vanished. Raises ValueError."""
    rng = _random_for(market, selection)
    empty = [
        place
        for place in selection.places(market)
        if market.current_quote(place) is None and place not in market.vanished
    ]
    changes: dict[int, Quote | None] = {}
    for place in _sample(empty, selection.quotes, rng):
        price = market.board.item(place).draft.price
        changes[place] = Quote(max(3, round(price * rng.uniform(0.8, 1.2))), rng.randint(1, 20), now)
    return _apply(market, changes, now)


def visible_price(old: int, wanted: int, rates: Mapping[str, Decimal]) -> int:
    """Return the wanted price, or one near it, that differs from the old one in every currency."""
    step = 1 if wanted >= old else -1
    new = max(wanted, 1)
    while any(_is_displayed_alike(old, new, rate) for rate in rates.values()):
        new, step = new + step, 2 * step
        if new < 1:
            new, step = old + 1, 1
    return new


def _is_displayed_alike(old: int, new: int, rate: Decimal) -> bool:
    # Amounts that are a hundredth or more apart differ: no need to convert them, which is slow.
    return abs(new - old) * rate < 1 and convert(new, rate).decimal == convert(old, rate).decimal


def _random_for(market: Market, selection: QuoteSelection) -> random.Random:
    market.moves += 1
    return seeded_random("move", market.moves if selection.seed is None else selection.seed)


def _choose_listed(market: Market, selection: QuoteSelection, rng: random.Random) -> dict[int, Quote]:
    listed = {
        place: quote
        for place in selection.places(market)
        if (quote := market.current_quote(place)) is not None
        and market.board.provider_of[place] not in market.dark
    }
    return {place: listed[place] for place in _sample(list(listed), selection.quotes, rng)}


def _sample(places: list[int], count: int, rng: random.Random) -> list[int]:
    if count > len(places):
        raise ValueError(f"{len(places)} quotes can be changed, not {count}")
    return sorted(rng.sample(places, count))


def _apply(market: Market, changes: Mapping[int, Quote | None], now: int) -> list[QuoteChange]:
    report: list[QuoteChange] = []
    for place, after in changes.items():
        before, item = market.current_quote(place), market.board.item(place)
        report.append(
            QuoteChange(
                provider=KEYS[market.board.provider_of[place]],
                item_id=item.item_id,
                before=before and before.price,
                after=after and after.price,
            )
        )
    market.apply(changes, now)
    return report
