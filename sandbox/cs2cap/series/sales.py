"""Sales: which places sold and when, at the ask of that time, and when the API first knew of it."""

from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import NamedTuple

from sandbox.clock import DAY, SECOND
from sandbox.cs2cap.series.cursors import CursorPosition
from sandbox.http_types import Json
from sandbox.market.archive import MarketHistory
from sandbox.market.board import Quote, seeded_random
from sandbox.market.catalog import Item
from sandbox.market.providers import SELLERS

RETENTION_DAYS = 30
_PLACES_PER_SALE = 5  # one place of so many sells on a day
_SALES_PER_TWIN = 12  # one sale of so many is reported twice with the same fields
_MASK = (1 << 32) - 1
_WEARS = {
    "Factory New": (0.0, 0.07),
    "Minimal Wear": (0.07, 0.15),
    "Field-Tested": (0.15, 0.38),
    "Well-Worn": (0.38, 0.45),
    "Battle-Scarred": (0.45, 1.0),
}


class Sale(NamedTuple):
    """One sale at a place: its time, and when the API first knows it (microseconds).

    `twin` distinguishes two sales with the same fields.
    """

    at: int
    place: int
    twin: int
    known_at: int

    @property
    def key(self) -> tuple[int, int, int]:
        """The sort key of the feed: newest first."""
        return -self.at, self.place, self.twin


class ItemTraits(NamedTuple):
    """The traits of the sold item, as in the API; None where the API does not know them."""

    wear: float | None
    seed: int | None
    stickers: list[Json] | None
    charms: list[Json] | None
    inspect: Json


class SalesFeed:
    """The sales of a market, at the prices of its asks; the same seed generates the same sales."""

    def __init__(self, archive: MarketHistory, seed: int) -> None:
        self._archive = archive
        self._board = archive.market.board
        self._seed = seed
        places = self._board.of_providers(SELLERS)
        self._all_sales_of = lru_cache(maxsize=4)(lambda day: self._sales_of(day, places))

    def sales(
        self, now: int, places: Iterable[int] | None = None, after: CursorPosition | None = None
    ) -> Iterator[tuple[Sale, Quote]]:
        """Yield the sales known at `now` (microseconds) with their asks, newest first, `after` a position.

        A position is time, place and twin. `places` of the board; None: all places with sales.
        """
        first = now - RETENTION_DAYS * DAY
        key = None if after is None else (-after[0], *after[1:])
        newest = now if after is None else min(now, after[0])
        for day in range(newest // DAY, first // DAY - 1, -1):
            for sale in self._all_sales_of(day) if places is None else self._sales_of(day, places):
                if first <= sale.at and sale.known_at <= now and (key is None or sale.key > key):
                    quote = self._archive.ask_at(sale.place, sale.at)
                    if quote is not None:
                        yield sale, quote

    def places(self, item: Item) -> list[int]:
        """Return the places of an item with sales; those of all phases for an aggregate item."""
        entries = self._board.catalog.phases(item) if item.aggregate else [item]
        return [
            place
            for entry in entries
            for place in self._board.of_item(entry)
            if self._board.provider_of[place] in SELLERS
        ]

    def traits(self, sale: Sale) -> ItemTraits:
        """Return the traits of the sold item; twins have the same."""
        rng = seeded_random(self._seed, "sale", sale.place, sale.at)
        item = self._board.item(sale.place)
        if item.draft.wear is None:
            return ItemTraits(wear=None, seed=None, stickers=None, charms=None, inspect=None)
        low, high = _WEARS[item.draft.wear]
        stickers: list[Json] = [
            {"name": f"Sticker | Crown {slot} (Foil)", "slot": slot, "wear": round(rng.random(), 4)}
            for slot in range(rng.randint(1, 4) if rng.random() < 0.25 else 0)
        ]
        charms: list[Json] = [{"name": "Charm | Lil' Squirt", "pattern_id": rng.randint(1, 99_999)}]
        link = f"steam://rungame/730/76561202255233023/+csgo_econ_action_preview%20{rng.getrandbits(63)}"
        return ItemTraits(
            wear=round(rng.uniform(low, high), 12),
            seed=rng.randint(0, 1000),
            stickers=stickers or None,
            charms=charms if rng.random() < 0.05 else None,
            inspect={"in_game": link} if rng.random() < 0.5 else None,
        )

    def _sales_of(self, day: int, places: Iterable[int]) -> list[Sale]:
        """Return the sales of a day (number since 1970), newest first."""
        sales: list[Sale] = []
        for place in places:
            noise = _hash32(self._seed, place, day)
            if noise % _PLACES_PER_SALE == 0:
                at = day * DAY + (noise >> 4) % 86_400 * SECOND
                for twin in range(2 if (noise >> 8) % _SALES_PER_TWIN == 0 else 1):
                    delay = 1 + _hash32(self._seed + 1 + twin, place, day) % 86_400
                    sales.append(Sale(at, place, twin, known_at=at + delay * SECOND))
        return sorted(sales, key=lambda sale: sale.key)


def _hash32(seed: int, place: int, day: int) -> int:
    """Return a pseudo-random number of 32 bits."""
    value = (place * 0x9E3779B1 + day * 0x85EBCA77 + seed * 0xC2B2AE3D) & _MASK
    value = (value ^ value >> 15) * 0x2C1B3C6D & _MASK
    value = (value ^ value >> 12) * 0x297A2D39 & _MASK
    return value ^ value >> 15
