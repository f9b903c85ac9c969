"""The market of one source in a world: items that are renamed, and quotes that move, vanish and return."""

from __future__ import annotations

import dataclasses
from datetime import datetime, timedelta
from decimal import Decimal
from random import Random

from tests.support.warehouse import ItemTuple, Quote
from tests.support.worlds.kinds import Kind
from tests.support.worlds.landings import CatalogItem

KNIFE = "★ Karambit | Doppler (Factory New)"
PHASES = ("Ruby", "Sapphire", "Phase 1", "Phase 4")
CENT, SATOSHI = Decimal("0.01"), Decimal("0.00000001")


@dataclasses.dataclass(slots=True)
class MarketItem:
    """An item under its present name."""

    item_id: str
    name: str
    phase: str | None
    rarity: str = "Covert"

    @property
    def request(self) -> ItemTuple:
        """The item as a shard requests it."""
        return self.item_id, self.name, self.phase


@dataclasses.dataclass(slots=True)
class Listing:
    """A quote of the market. `cents` are of a US dollar; `listed` says whether it is there now."""

    cents: int
    quantity: int | None
    changed_at: datetime
    url: str | None
    listed: bool = True
    unreadable: bool = False


Place = tuple[int, str, str]  # the index of the item, the provider, the delivery


class Market:
    """The quotes of one source. `rng` decides everything that happens, `kind` how often."""

    def __init__(self, rng: Random, kind: Kind, source: str, *, at: datetime) -> None:
        self._rng, self._kind, self.source = rng, kind, source
        self.providers = ["steam", "buff163", "csfloat"] if source == "cs2cap" else ["steam", "youpin"]
        self.items = self._create_items()
        self.listings: dict[Place, Listing] = {}
        self._sides = self._choose_sides()
        self._renames = 0
        self._phased_ids = {item.item_id for item in self.items if item.name == KNIFE}
        self.lists_aggregates = kind.catalog_aggregates and rng.random() < 0.6
        for index in range(len(self.items)):
            for provider in self.providers:
                for side in self._sides:
                    if rng.random() < 0.8:
                        self.listings[index, provider, side] = self._create_listing(at)

    def _choose_sides(self) -> tuple[str, ...]:
        if not self._kind.many_sides:
            return ("standard",)
        return ("standard", "bid") if self.source == "cs2cap" else ("standard", "instant")

    def _create_items(self) -> list[MarketItem]:
        rng, count = self._rng, self._rng.randint(*self._kind.items)
        items = [
            MarketItem(str(number), f"AK-47 | Finish {number} (Field-Tested)", None)
            for number in range(1, count + 1)
        ]
        items.append(MarketItem("50", "Fracture Case", None))
        if rng.random() < self._kind.phases:
            shared = self.source == "skinshark"
            for number, phase in enumerate(rng.sample(PHASES, rng.randint(1, 3)), 91):
                items.append(MarketItem("90" if shared else str(number), KNIFE, phase))
            if rng.random() < 0.8:
                items.append(MarketItem("90", KNIFE, None))
        return items

    def _create_listing(self, at: datetime) -> Listing:
        rng = self._rng
        url = None if rng.random() < 0.3 else f"https://example.org/{rng.randint(1, 999)}"
        return Listing(self._cents(), self._quantity(), at - timedelta(seconds=rng.randint(1, 9999)), url)

    def _cents(self) -> int:
        return 0 if self._rng.random() < self._kind.zero else self._rng.randint(1, 300)

    def _quantity(self) -> int | None:
        if self.source == "skinshark" and self._rng.random() < 0.5:
            return None
        return 0 if self._rng.random() < self._kind.zero else self._rng.randint(1, 4)

    def pass_time(self, at: datetime) -> None:
        """Let happen what happens until a time."""
        for listing in self.listings.values():
            self._move(listing, at)
        for item in self.items:
            if self._rng.random() < self._kind.renamed:
                self._rename(item)
            if self._rng.random() < 0.05:
                item.rarity = self._rng.choice(["Covert", "Classified", "Mil-Spec"])

    def _move(self, listing: Listing, at: datetime) -> None:
        rng, kind = self._rng, self._kind
        chance = kind.vanishes if listing.listed else kind.returns
        if rng.random() < chance:
            listing.listed = not listing.listed
        before = (listing.cents, listing.quantity)
        if rng.random() < kind.moves:
            listing.cents = self._cents()
        if rng.random() < kind.moves / 3:
            listing.quantity = self._quantity()
        if (listing.cents, listing.quantity) != before:
            listing.changed_at = at - timedelta(seconds=rng.randint(1, 60))
        listing.unreadable = rng.random() < (0.6 if listing.unreadable else kind.rejected)

    def _rename(self, item: MarketItem) -> None:
        """Rename the finish or the base of an item, with its phases, or give it another phase."""
        self._renames += 1
        base, _, finish = item.name.partition(" | ")
        what = self._rng.choice(["finish", "base", "phase"])
        if what == "phase" and item.phase is not None:
            item.phase = f"Phase {10 + self._renames}"
            return
        name = f"{base} | Renamed {self._renames} (Field-Tested)"
        if what == "base":
            name = f"M4A4 {self._renames} | {finish}" if finish else f"Case {self._renames}"
        for other in [other for other in self.items if other.name == item.name]:
            other.name = name

    def catalog(self) -> list[CatalogItem]:
        """Return the catalog of the items."""
        return [
            CatalogItem(item.item_id, item.name, item.phase, "Knife" if item.phase else "Weapon", item.rarity)
            for item in self.items
        ]

    def is_phased(self, item_id: str | None) -> bool:
        """Return whether an id is of a phase, or of the aggregate of phases."""
        return item_id in self._phased_ids

    def is_aggregate(self, item: MarketItem) -> bool:
        """Return whether an item stands for the phases of its name."""
        return item.phase is None and any(o.phase and o.name == item.name for o in self.items)

    def is_unreadable(self, quote: Quote) -> bool:
        """Return whether no run can read a row now."""
        if self._kind.renamed and self.is_phased(quote.item):
            return False  # a replay alone would show only a part of the new names
        return any(
            listing.unreadable and (item.item_id, item.phase, provider, side) == _place_of(quote)
            for (index, provider, side), listing in self.listings.items()
            for item in [self.items[index]]
        )

    def quote(self, place: Place, currency: str, *, at: datetime, rate: Decimal) -> Quote:
        """Return the row of a listing in a currency, as the API gives it at a time."""
        index, provider, delivery = place
        rng, kind, listing, item = self._rng, self._kind, self.listings[place], self.items[index]
        timestamp: datetime | None = listing.changed_at
        if self.source == "skinshark" or rng.random() < kind.no_timestamp:
            timestamp = None
        elif rng.random() < kind.older_timestamp:
            timestamp = listing.changed_at - timedelta(seconds=rng.randint(1, 5000))
        elif rng.random() < kind.ahead:
            timestamp = at + rng.choice([timedelta(minutes=4), timedelta(hours=1), timedelta(days=365)])
        price = convert(listing.cents, currency, rate)
        return Quote(
            item=item.item_id,
            cents=int((price * 100).to_integral_value()),
            price=price,
            quantity=listing.quantity,
            provider=provider,
            timestamp=timestamp,
            last_updated=at - timedelta(seconds=rng.randint(0, 30)),
            name=item.name,
            phase=item.phase,
            url=listing.url if rng.random() < 0.8 else None,
            delivery=delivery,
        )


def convert(cents: int, currency: str, rate: Decimal) -> Decimal:
    """Return an amount in a currency: dollars and euros in hundredths, coins to eight places."""
    amount = Decimal(cents) / 100 * (1 if currency == "USD" else rate)
    return amount.quantize(SATOSHI if currency == "BTC" else CENT)


def _place_of(quote: Quote) -> tuple[str, str | None, str, str]:
    return quote.item, quote.phase, quote.provider, quote.delivery
