"""Sales: which places sold when, at what they asked then, and when the API got to know of it."""

from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import NamedTuple

from sandbox.cs2cap.series.cursors import CursorPosition
from sandbox.http_types import Json
from sandbox.market.archive import MarketHistory
from sandbox.market.board import Quote, seeded_random
from sandbox.market.catalog import Item
from sandbox.market.grid import DAY, SECOND
from sandbox.market.providers import INDEX

SELLERS = tuple(
    INDEX[key] for key in ("buff163", "c5", "csfloat", "csgo500", "csgoempire", "dmarket", "youpin")
)
KEPT = 30  # days
_ONE_IN = 5  # places sell on a day
_TWINS = 12  # one of so many sales is told twice, with the same fields
_WORD = (1 << 32) - 1
_FLOATS = {
    "Factory New": (0.0, 0.07),
    "Minimal Wear": (0.07, 0.15),
    "Field-Tested": (0.15, 0.38),
    "Well-Worn": (0.38, 0.45),
    "Battle-Scarred": (0.45, 1.0),
}


class Sale(NamedTuple):
    """One sale at a place: made `at`, known to the API since `told` (microseconds).

    `twin` tells two apart that look the same.
    """

    at: int
    place: int
    twin: int
    told: int

    @property
    def key(self) -> tuple[int, int, int]:
        """Where it stands in the feed: the newest first."""
        return -self.at, self.place, self.twin


class ItemTraits(NamedTuple):
    """What is told of the piece that was sold, as the API writes it; None where it is not known."""

    wear: float | None
    seed: int | None
    stickers: list[Json] | None
    charms: list[Json] | None
    inspect: Json


class SalesFeed:
    """The sales of a market: the same seed sells the same places at the same moments, for what they ask."""

    def __init__(self, archive: MarketHistory, seed: int) -> None:
        self._archive = archive
        self._board = archive.market.board
        self._seed = seed
        self._places = self._board.of_providers(SELLERS)
        self._day = lru_cache(maxsize=4)(self._sold_on)

    def feed(
        self, now: int, places: Iterable[int] | None = None, after: CursorPosition | None = None
    ) -> Iterator[tuple[Sale, Quote]]:
        """Yield what is known at `now` (microseconds) with what was asked, the newest first, `after` a place.

        A place in the feed is moment, place and twin. Only these places of the board; all that tell sales.
        """
        begin = None if after is None else (-after[0], *after[1:])
        newest = now if after is None else min(now, after[0])
        for day in range(newest // DAY, (now - KEPT * DAY) // DAY - 1, -1):
            for sale in self._day(day) if places is None else self._made(day, places):
                if now - KEPT * DAY <= sale.at and sale.told <= now and (begin is None or sale.key > begin):
                    quote = self._archive.asked(sale.place, sale.at)
                    if quote is not None:
                        yield sale, quote

    def places(self, item: Item) -> list[int]:
        """Return the places of an item where sales are told, a phaseless entry's with its phases."""
        entries = self._board.catalog.phases(item) if item.aggregate else [item]
        return [
            place
            for entry in entries
            for place in self._board.of_item(entry)
            if self._board.provider_of[place] in SELLERS
        ]

    def traits(self, sale: Sale) -> ItemTraits:
        """Return what is told of the piece; twins are told the same."""
        chance = seeded_random(self._seed, "sale", sale.place, sale.at)
        item = self._board.item(sale.place)
        if item.draft.wear is None:
            return ItemTraits(None, None, None, None, None)
        low, high = _FLOATS[item.draft.wear]
        stickers: list[Json] = [
            {"name": f"Sticker | Crown {slot} (Foil)", "slot": slot, "wear": round(chance.random(), 4)}
            for slot in range(chance.randint(1, 4) if chance.random() < 0.25 else 0)
        ]
        charms: list[Json] = [{"name": "Charm | Lil' Squirt", "pattern_id": chance.randint(1, 99_999)}]
        link = f"steam://rungame/730/76561202255233023/+csgo_econ_action_preview%20{chance.getrandbits(63)}"
        return ItemTraits(
            wear=round(chance.uniform(low, high), 12),
            seed=chance.randint(0, 1000),
            stickers=stickers or None,
            charms=charms if chance.random() < 0.05 else None,
            inspect={"in_game": link} if chance.random() < 0.5 else None,
        )

    def _sold_on(self, day: int) -> list[Sale]:
        return self._made(day, self._places)

    def _made(self, day: int, places: Iterable[int]) -> list[Sale]:
        """Return the sales of a day (from 1970), the newest first."""
        sales: list[Sale] = []
        for place in places:
            lot = _hash32(self._seed, place, day)
            if lot % _ONE_IN == 0:
                at = day * DAY + (lot >> 4) % 86_400 * SECOND
                for twin in range(2 if (lot >> 8) % _TWINS == 0 else 1):
                    lag = 1 + _hash32(self._seed + 1 + twin, place, day) % 86_400
                    sales.append(Sale(at, place, twin, at + lag * SECOND))
        return sorted(sales, key=lambda sale: sale.key)


def _hash32(seed: int, place: int, day: int) -> int:
    """Return a number of 32 bits that looks like chance."""
    lot = (place * 0x9E3779B1 + day * 0x85EBCA77 + seed * 0xC2B2AE3D) & _WORD
    lot = (lot ^ lot >> 15) * 0x2C1B3C6D & _WORD
    lot = (lot ^ lot >> 12) * 0x297A2D39 & _WORD
    return lot ^ lot >> 15
