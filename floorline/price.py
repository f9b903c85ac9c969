"""Find the price of an item by words: its best ask, how it moved, and the asks of all marketplaces."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from common.shards import Item
from common.text import quote
from common.warehouse_errors import ItemUnknown
from floorline.market import Market
from pipelines.planning.item_search import WEAR, ItemSearch
from warehouse.queries.item_asks import select_asks

DAY: Final = timedelta(days=1)
WEEK: Final = timedelta(days=7)
SAMPLES: Final = 28  # of the week: one every six hours
SUGGESTED: Final = 5
SELECT_ITEMS: Final = "SELECT DISTINCT item_id, market_hash_name, phase FROM items"
SELECT_ASKS: Final = select_asks("market_hash_name")
SELECT_BEST: Final = """
SELECT item, provider, price, observed_at FROM best_ask
WHERE market_hash_name = $name AND currency = $currency
"""
SELECT_WEEK: Final = """
SELECT item, price, valid_from, valid_to FROM best_ask_history
WHERE market_hash_name = $name AND currency = $currency AND (valid_to > $since OR valid_to IS NULL)
ORDER BY valid_from
"""


@dataclasses.dataclass(frozen=True, slots=True)
class MarketplacePrice:
    """The ask of an item at one marketplace; `fresh` says whether the ask still counts as "now".

    `over_best_share` is how far the ask is above the best one: 0.05 is 5%. `highest_bid` and
    `after_fee` (the ask without the fee of a sale there) are null where they are not known.
    """

    provider: str
    delivery: str
    price: Decimal
    over_best_share: float | None
    quantity: int | None
    highest_bid: Decimal | None
    after_fee: Decimal | None
    changed_at: datetime | None
    observed_at: datetime
    fresh: bool
    url: str | None


@dataclasses.dataclass(frozen=True, slots=True)
class ItemPrice:
    """The best ask of an item now, and the asks of all marketplaces, the lowest first.

    `price` is null where nothing is listed. The changes are relative, as in -0.05, and null where nothing
    was listed then. `week` has the best ask every six hours of the last week, oldest first.
    """

    item: str
    market_hash_name: str
    phase: str | None
    currency: str
    price: Decimal | None
    provider: str | None
    day_change_share: float | None
    week_change_share: float | None
    week: tuple[Decimal | None, ...]
    asks: tuple[MarketplacePrice, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class PastAsk:
    """A best ask that stood from `start` up to and without `end`; None is now."""

    price: Decimal
    start: datetime
    end: datetime | None


def find_prices(market: Market, words: str) -> list[ItemPrice]:
    """Return the prices of the item that `words` name: of each of its wears and phases that may be meant.

    Raises ItemUnknown where no item has these words, or several items fit equally well.
    """
    items = find_items(market, words)
    names = dict.fromkeys(item.market_hash_name for item in items)
    return [
        price
        for name in names
        for price in _read_prices(market, [item for item in items if item.market_hash_name == name])
    ]


def find_items(market: Market, words: str) -> list[Item]:
    """Return the items that `words` name, by their name or by words of it; they differ in wear or phase only.

    Raises ItemUnknown.
    """
    rows = market.rows(SELECT_ITEMS)
    items = [Item(*row) for row in rows]
    meant = [item for item in items if words in {item.full_name, item.market_hash_name}]
    if not meant:
        search = ItemSearch(rows)
        meant = search.find_best(words)
        if not meant:
            corrected = search.correct(words)
            nearest = search.find(corrected)[:SUGGESTED] if corrected else []
            raise _unknown(market, f"no item has all of these words: {quote(words)}", nearest)
    if len({WEAR.sub("", item.market_hash_name) for item in meant}) > 1:
        detail = f"several items have these words, and none fits better: {quote(words)}"
        raise _unknown(market, detail, meant[:SUGGESTED])
    names = dict.fromkeys(item.market_hash_name for item in meant)
    return [item for name in names for item in _find_phases(items, meant, name)]


def _unknown(market: Market, detail: str, items: Iterable[Item]) -> ItemUnknown:
    return ItemUnknown(detail, market.path, tuple(dict.fromkeys(item.full_name for item in items)))


def _find_phases(items: Iterable[Item], meant: Iterable[Item], name: str) -> list[Item]:
    """Return the entries of a name that are meant, each phase once; the name alone means all phases."""
    phases = {item.phase: item for item in items if item.market_hash_name == name}
    said = {item.phase for item in meant if item.market_hash_name == name}
    if None in said and len(phases) > 1:
        said = phases.keys() - {None}
    return [phases[phase] for phase in sorted(said, key=lambda phase: phase or "")]


def _read_prices(market: Market, items: Sequence[Item]) -> list[ItemPrice]:
    """Return the prices of the entries of one name."""
    values = {"name": items[0].market_hash_name, "currency": market.currency}
    best = {row[0]: row[1:] for row in market.rows(SELECT_BEST, values)}
    now = max((row[-1] for row in best.values()), default=datetime.now(UTC))
    past: dict[str, list[PastAsk]] = {}
    for item, *ask in market.rows(SELECT_WEEK, {**values, "since": now - WEEK}):
        past.setdefault(item, []).append(PastAsk(*ask))
    asks = market.rows(SELECT_ASKS, values)
    return [
        _summarize(
            item,
            market.currency,
            now,
            best=best.get(item.full_name, (None, None, None)),
            past=past.get(item.full_name, []),
            asks=[row for row in asks if row[0] == item.full_name],
        )
        for item in items
    ]


def _summarize(
    item: Item,
    currency: str,
    now: datetime,
    *,
    best: Sequence[Any],
    past: Sequence[PastAsk],
    asks: Sequence[Sequence[Any]],
) -> ItemPrice:
    provider, price, _ = best
    return ItemPrice(
        item=item.full_name,
        market_hash_name=item.market_hash_name,
        phase=item.phase,
        currency=currency,
        price=price,
        provider=provider,
        day_change_share=_change(_price_at(past, now - DAY), price),
        week_change_share=_change(_price_at(past, now - WEEK), price),
        week=tuple(_price_at(past, now - WEEK + number * WEEK / (SAMPLES - 1)) for number in range(SAMPLES)),
        asks=tuple(_marketplace(row[1:], price) for row in asks),
    )


def _marketplace(row: Sequence[Any], best: Decimal | None) -> MarketplacePrice:
    provider, delivery, price, quantity, *rest = row
    return MarketplacePrice(provider, delivery, price, _change(best, price), quantity, *rest)


def _price_at(past: Sequence[PastAsk], moment: datetime) -> Decimal | None:
    """Return the best ask that stood at a moment, if any."""
    asks = (ask for ask in past if ask.start <= moment and (ask.end is None or ask.end > moment))
    return next((ask.price for ask in asks), None)


def _change(was: Decimal | None, price: Decimal | None) -> float | None:
    return float((price - was) / was) if was and price is not None else None
