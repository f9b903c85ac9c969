"""A plausible catalog: items of every kind, phases with ids of their own, the same for the same seed."""

import math
import random
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from itertools import product
from typing import NamedTuple
from zlib import crc32

from sandbox.market import item_names


class ItemDraft(NamedTuple):
    """One market_hash_name without ids; `phases` where the finish has phases, `price` in US cents."""

    name: str
    item_type: str
    subtype: str | None = None
    weapon_type: str | None = None
    base: str | None = None
    skin: str | None = None
    wear: str | None = None
    price: int = 500
    phases: tuple[str, ...] = ()

    @property
    def entries(self) -> int:
        """The number of catalog items with this name: one without a phase, and one for each phase."""
        return 1 + len(self.phases)


class Item(NamedTuple):
    """One catalog item; `phase` is None for an aggregate of phases and for an item without phases."""

    item_id: int
    name: str
    phase: str | None
    draft: ItemDraft

    @property
    def aggregate(self) -> bool:
        """Whether the item aggregates its phases and has no quote of its own."""
        return self.phase is None and bool(self.draft.phases)


class Catalog:
    """All items in the order of their ids, which count from 1."""

    def __init__(self, items: Iterable[Item]) -> None:
        self.items = tuple(items)
        self.by_id = {item.item_id: item for item in self.items}
        self.by_name: dict[str, list[Item]] = {}
        for item in self.items:
            self.by_name.setdefault(item.name, []).append(item)

    def find(self, item_id: int | None, name: str | None, phase: str | None) -> list[Item]:
        """Return the items of a query; an id wins, a name alone selects the item without a phase."""
        if item_id is not None:
            item = self.by_id.get(item_id)
            if item is None or phase in {None, item.phase}:
                return [item] if item else []
            return [other for other in self.phases(item) if other.phase == phase] if item.aggregate else []
        if name is not None:
            return [item for item in self.by_name.get(name, []) if item.phase == phase]
        return [item for item in self.items if item.phase == phase]

    def phases(self, item: Item) -> list[Item]:
        """Return the items of the same name that have a phase."""
        return [other for other in self.by_name[item.name] if other.phase]


@lru_cache(maxsize=8)
def build_catalog(size: int, seed: int) -> Catalog:
    """Return a catalog of exactly `size` items, the best known ones among them. Raises ValueError."""
    drafts = dict(_all_drafts())
    known = [drafts.pop(name) for name in _BEST_KNOWN]
    most = sum(draft.entries for draft in (*known, *drafts.values()))
    if not 1 <= size <= most:
        raise ValueError(f"a catalog has 1 to {most} items, not {size}")
    shuffled = list(drafts.values())
    random.Random(seed).shuffle(shuffled)  # noqa: S311 - a market, not a secret
    return Catalog(number_items(_take_drafts([*known, *shuffled], size)))


def number_items(drafts: Iterable[ItemDraft]) -> Iterator[Item]:
    """Yield items with ids from 1 in the order of their names, phases after their aggregate."""
    item_id = 0
    for draft in sorted(drafts):
        for phase in (None, *draft.phases):
            item_id += 1
            yield Item(item_id, draft.name, phase, draft=draft)


def _take_drafts(drafts: Iterable[ItemDraft], size: int) -> Iterator[ItemDraft]:
    """Yield drafts until their catalog items are exactly so many."""
    for draft in drafts:
        if draft.entries <= size:
            size -= draft.entries
            yield draft
        if not size:
            return


@lru_cache(maxsize=1)
def _all_drafts() -> Mapping[str, ItemDraft]:
    drafts = (*_weapons(), *_knives(), *_gloves(), *_stickers(), *_others())
    return {draft.name: draft for draft in drafts}


def _price(name: str, low: int, high: int) -> int:
    """Return a price between two bounds that depends on the name alone, uniform on a log scale."""
    share = crc32(name.encode()) / 2**32
    return max(3, round(low * math.pow(high / low, share)))


def _weapon(
    kind: tuple[str, str],
    base: str,
    skin: str,
    *,
    wear: str,
    prices: tuple[int, int],
    prefix: str = "",
    phases: tuple[str, ...] = (),
) -> ItemDraft:
    """Return a weapon with a finish; `kind` is its subtype and weapon type."""
    name = f"{prefix}{base} | {skin} ({wear})"
    return ItemDraft(
        name,
        "Weapon",
        subtype=kind[0],
        weapon_type=kind[1],
        base=base,
        skin=skin,
        wear=wear,
        price=_price(name, *prices),
        phases=phases,
    )


def _weapons() -> Iterator[ItemDraft]:
    guns = [(kind, gun) for kind, guns in item_names.WEAPONS.items() for gun in guns.split(",")]
    for (g, (kind, gun)), (f, skin) in product(enumerate(guns), enumerate(item_names.FINISHES)):
        if (f + g) % 4 == 3 and f > 3:
            continue
        prefixes = ("", "StatTrak™ ", "Souvenir ") if (f + g) % 5 == 0 else ("", "StatTrak™ ")
        for prefix, wear in product(prefixes, item_names.WEARS):
            yield _weapon(kind, gun, skin, wear=wear, prices=(4, 60_000), prefix=prefix)
    assault, sniper = ("Rifles", "Assault Rifle"), ("Rifles", "Sniper Rifle")
    for wear in item_names.WEARS:
        yield _weapon(assault, "M4A4", "龍王 (Dragon King)", wear=wear, prices=(1400, 1400))
        price = 1_850_000
        yield _weapon(sniper, "AWP", "Dragon Lore", wear=wear, prices=(price, price), prefix="Souvenir ")


def _knives() -> Iterator[ItemDraft]:
    kind = ("Knives", "Knife")
    doppler = {"Doppler": item_names.DOPPLER, "Gamma Doppler": item_names.GAMMA}
    for knife, prefix in product(item_names.KNIVES, ("★ ", "★ StatTrak™ ")):
        price = _price(knife, 9_000, 90_000)
        yield ItemDraft(
            prefix + knife, "Weapon", subtype=kind[0], weapon_type=kind[1], base=knife, price=price
        )
        for skin, wear in product(item_names.KNIFE_FINISHES, item_names.WEARS):
            yield _weapon(kind, knife, skin, wear=wear, prices=(6_000, 250_000), prefix=prefix)
        for skin, wear in product(doppler, item_names.WEARS[:2]):
            prices, phases = (15_000, 400_000), doppler[skin]
            yield _weapon(kind, knife, skin, wear=wear, prices=prices, prefix=prefix, phases=phases)


def _gloves() -> Iterator[ItemDraft]:
    for glove, skin, wear in product(item_names.GLOVES, item_names.GLOVE_FINISHES, item_names.WEARS):
        yield _weapon(("Gloves", "Wearable"), glove, skin, wear=wear, prices=(5_000, 300_000), prefix="★ ")


def _stickers() -> Iterator[ItemDraft]:
    for kind, signer, event, effect in product(
        ("Sticker", "Sticker Slab"), item_names.SIGNERS, item_names.EVENTS, item_names.EFFECTS
    ):
        name = f"{kind} | {signer}{effect} | {event}"
        yield ItemDraft(name, kind, "Autograph" if kind == "Sticker" else None, price=_price(name, 3, 9_000))


def _others() -> Iterator[ItemDraft]:
    for case in item_names.CASES:
        yield ItemDraft(f"{case} Case", "Crate", "Weapon Case", price=_price(case, 40, 4_000))
        yield ItemDraft(f"{case} Case Key", "Key", "Case Key", price=249)
    for agent in item_names.AGENTS:
        yield ItemDraft(agent, "Agent", "Counter-Terrorist", price=_price(agent, 150, 9_000))
    for graffiti, ink in product(item_names.GRAFFITI, item_names.INKS):
        yield ItemDraft(
            f"Sealed Graffiti | {graffiti} ({ink})", "Graffiti", price=_price(graffiti + ink, 3, 30)
        )
    for music, prefix in product(item_names.MUSIC, ("", "StatTrak™ ")):
        yield ItemDraft(f"{prefix}Music Kit | {music}", "Music Kit", price=_price(prefix + music, 250, 2_500))


_BEST_KNOWN = (
    "AK-47 | Redline (Field-Tested)",
    "★ Karambit | Doppler (Factory New)",
    "AWP | Asiimov (Field-Tested)",
    "'Blueberries' Buckshot | NSWC SEAL",
    "M4A4 | 龍王 (Dragon King) (Field-Tested)",
    "★ M9 Bayonet | Gamma Doppler (Factory New)",
    "Kilowatt Case",
    "StatTrak™ AK-47 | Redline (Minimal Wear)",
    "Souvenir AWP | Dragon Lore (Factory New)",
    "★ Karambit",
    "★ StatTrak™ Karambit | Doppler (Factory New)",
    "★ Karambit | Fade (Factory New)",
    "★ Sport Gloves | Pandora's Box (Field-Tested)",
    "Sticker | s1mple (Gold) | Stockholm 2021",
    "Sticker | Ninjas in Pyjamas (Holo) | Katowice 2014",
    "Sticker Slab | donk | Shanghai 2024",
    "Sealed Graffiti | Recoil M4A1-S (Monster Purple)",
    "Music Kit | Perfect World, 花脸 (Hua Lian)",
    "Desert Eagle | Printstream (Minimal Wear)",
    "P250 | Man-o'-war (Field-Tested)",
)
