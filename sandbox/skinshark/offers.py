"""SkinShark's offers of single copies: each is listed, gets cheaper and sells by the clock."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from itertools import count
from typing import NamedTuple
from uuid import UUID

from sandbox.clock import HOUR
from sandbox.http_types import Json
from sandbox.market.catalog import Item

# The numbers of the marketplaces behind the offers: C5Game, ECOSteam and YouPin.
OFFER_MARKETS = (3, 4, 6)
REACHABLE = 5_000
_DOPPLER_INDEX = 415


class Offer(NamedTuple):
    """One copy for sale: US cents, its times in microseconds, and a number that decides all else of it."""

    item: Item
    id: str
    price: int
    listed_at: int
    sold_at: int
    number: int

    @property
    def market(self) -> int:
        """The number of its marketplace."""
        return OFFER_MARKETS[self.number % len(OFFER_MARKETS)]

    @property
    def delivery(self) -> str:
        """The delivery of the copy: C5Game delivers some of them at once."""
        return "instant" if self.market == OFFER_MARKETS[0] and self.number % 2 else "standard"

    @property
    def phase(self) -> str | None:
        """The phase of the copy, where its finish has phases."""
        phases = self.item.draft.phases
        return phases[self.number % len(phases)] if phases else None

    @property
    def wear(self) -> str | None:
        """The float value with all its digits; None for what does not wear."""
        return f"0.{self.number % 10**18:018}" if self.item.draft.wear else None


class Offers:
    """All offers of a market by time. `sell` and `offer` change more than the clock does."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._sold: dict[str, int] = {}
        self._added: dict[int, list[Offer]] = {}
        self._numbers = count(1)

    def at(self, item: Item, at: int) -> list[Offer]:
        """Return the offers of an item at a time (microseconds), the cheapest first."""
        listed = [*self._scheduled(item, at), *self._added.get(item.item_id, ())]
        alive = [
            each
            for each in listed
            if each.listed_at <= at < min(each.sold_at, self._sold.get(each.id, each.sold_at))
        ]
        return sorted(alive, key=lambda offer: (offer.price, offer.id))

    def sell(self, item: Item, number: int, at: int) -> list[Offer]:
        """Sell the cheapest offers of an item now; return them."""
        sold = self.at(item, at)[:number]
        self._sold.update((offer.id, at) for offer in sold)
        return sold

    def offer(self, item: Item, number: int, at: int) -> list[Offer]:
        """List more copies, as cheap as the cheapest one, which never sell by the clock; return them."""
        price = next((offer.price for offer in self.at(item, at)), item.draft.price)
        added = []
        for _ in range(number):
            value = self._draw(item, "added", next(self._numbers))
            added.append(Offer(item, _uuid(value), price, listed_at=at, sold_at=2**63, number=value))
        self._added.setdefault(item.item_id, []).extend(added)
        return added

    def _scheduled(self, item: Item, at: int) -> list[Offer]:
        """Return the offer in each slot of an item: a slot has one after the other, at most one at a time."""
        number = self._draw(item, "slots")
        slots = 100 + number % 160 if number % 5 == 0 else number % 40
        return [self._in_slot(item, slot, at) for slot in range(slots)]

    def _in_slot(self, item: Item, slot: int, at: int) -> Offer:
        number = self._draw(item, slot)
        period = 6 * HOUR << number % 8
        turn = (at - number % period) // period
        begin = number % period + turn * period
        value = self._draw(item, slot, turn)
        price = item.draft.price * (1000 + value % 600) // 1000
        if value % 3 == 0 and at >= begin + period // 2:
            price = price * 99 // 100
        sold_at = begin + period * 9 // 10
        return Offer(item, _uuid(value), max(price, 1), listed_at=begin, sold_at=sold_at, number=value)

    def _draw(self, item: Item, *key: object) -> int:
        text = repr((self._seed, item.name, *key)).encode()
        return int.from_bytes(blake2b(text, digest_size=16).digest())


def build_offers(offers: Sequence[Offer]) -> list[dict[str, Json]]:
    """Return the rows of offers as the API sends them."""
    return [_build_offer(offer) for offer in offers]


def _build_offer(offer: Offer) -> dict[str, Json]:
    item, number, phase = offer.item, offer.number, offer.phase
    row: dict[str, Json] = {
        "id": offer.id,
        "marketHashName": item.name,
        "name": item.draft.skin or item.name,
        "type": item.draft.item_type,
        "iconUrl": "https://example.com/icon.png",
        "price": offer.price / 100,
        "wear": offer.wear,
        "paintSeed": number % 1000 if offer.wear else None,
        "assetId": str(number % 10**11),
        "delivery": offer.delivery,
    }
    if phase is not None:
        index = _DOPPLER_INDEX + item.draft.phases.index(phase)
        row["doppler"] = {"status": 1, "name": phase, "paintIndex": index}
    if "Fade" in item.name:
        row["fade"] = {"percentage": 80 + number % 2000 / 100}
    if offer.wear and number % 4 == 0:
        sticker: dict[str, Json] = {
            "name": "Crown (Foil)",
            "slot": number % 5,
            "iconUrl": "https://example.com/s.png",
        }
        row["stickers"] = [{**sticker, "wear": number % 100 / 100}]
    if offer.wear and number % 9 == 0:
        row["charm"] = {
            "name": "Lil' Ava",
            "iconUrl": "https://example.com/c.png",
            "pattern": str(number % 10**5),
        }
    return row


def _uuid(number: int) -> str:
    return str(UUID(int=number, version=4))
