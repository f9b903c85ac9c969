"""A plausible catalog: names of every kind, phases with ids of their own, the same for one seed."""

import math
import random
from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import product
from typing import NamedTuple
from zlib import crc32

from sandbox.market import item_names


class ItemDraft(NamedTuple):
    """One market_hash_name before it is numbered; `phases` where the finish has them, `price` in US cents."""

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
        """How many catalog entries it makes: the phaseless one and one for each phase."""
        return 1 + len(self.phases)


class Item(NamedTuple):
    """One catalog entry; `phase` is None for the phaseless entry of a phased name as for any other item."""

    item_id: int
    name: str
    phase: str | None
    draft: ItemDraft

    @property
    def aggregate(self) -> bool:
        """Whether it stands for its phases and has no quote of its own."""
        return self.phase is None and bool(self.draft.phases)


class Catalog:
    """All items in the order of their ids, found by id, by name and by phase."""

    def __init__(self, items: Iterable[Item]) -> None:
        self.items = tuple(items)
        self.by_id = {item.item_id: item for item in self.items}
        self.by_name: dict[str, list[Item]] = {}
        for item in self.items:
            self.by_name.setdefault(item.name, []).append(item)

    def find(self, item_id: int | None, name: str | None, phase: str | None) -> list[Item]:
        """Return the entries that a query names; an id wins, a name alone is its phaseless entry."""
        if item_id is not None:
            return self._phase_of(self.by_id.get(item_id), phase)
        if name is not None:
            return [item for item in self.by_name.get(name, []) if item.phase == phase]
        return [item for item in self.items if item.phase == phase]

    def phases(self, item: Item) -> list[Item]:
        """Return the entries of the same name that have a phase."""
        return [other for other in self.by_name[item.name] if other.phase]

    def _phase_of(self, item: Item | None, phase: str | None) -> list[Item]:
        if item is None or phase in {None, item.phase}:
            return [item] if item else []
        return [other for other in self.phases(item) if other.phase == phase] if item.aggregate else []


@lru_cache(maxsize=8)
def build_catalog(size: int, seed: int) -> Catalog:
    """Return exactly `size` entries in the order of their names, the best known among them."""
    head, rest = _universe()
    most = sum(draft.entries for draft in (*head, *rest))
    if not 1 <= size <= most:
        raise ValueError(f"a catalog has 1 to {most} items, not {size}")
    shuffled = list(rest)
    random.Random(seed).shuffle(shuffled)  # noqa: S311 - a market, not a secret
    return Catalog(number_items(_pick((*head, *shuffled), size)))


def number_items(drafts: Iterable[ItemDraft]) -> Iterator[Item]:
    """Yield items with ids from 1 in the order of the names, phases after their phaseless entry."""
    item_id = 0
    for draft in sorted(drafts):
        for phase in (None, *draft.phases):
            item_id += 1
            yield Item(item_id, draft.name, phase, draft)


def _pick(drafts: Iterable[ItemDraft], room: int) -> Iterator[ItemDraft]:
    for draft in drafts:
        if draft.entries <= room:
            room -= draft.entries
            yield draft
        if not room:
            return


@lru_cache(maxsize=1)
def _universe() -> tuple[tuple[ItemDraft, ...], tuple[ItemDraft, ...]]:
    every = {draft.name: draft for draft in (*_weapons(), *_knives(), *_gloves(), *_stickers(), *_others())}
    head = tuple(every.pop(name) for name in _HEAD)
    return head, tuple(every.values())


def _priced(name: str, low: int, high: int) -> int:
    """Return a price between two bounds that depends on the name alone, evenly spread over the magnitudes."""
    share = crc32(name.encode()) / 2**32
    return max(3, round(low * math.pow(high / low, share)))


def _weapons() -> Iterator[ItemDraft]:
    guns = [(kind, gun) for kind, guns in item_names.WEAPONS.items() for gun in guns.split(",")]
    for (g, ((subtype, weapon_type), gun)), (f, skin) in product(
        enumerate(guns), enumerate(item_names.FINISHES)
    ):
        if (f + g) % 4 == 3 and f > 3:
            continue
        prefixes = ("", "StatTrak™ ", "Souvenir ") if (f + g) % 5 == 0 else ("", "StatTrak™ ")
        for prefix, wear in product(prefixes, item_names.WEARS):
            name = f"{prefix}{gun} | {skin} ({wear})"
            yield ItemDraft(name, "Weapon", subtype, weapon_type, gun, skin, wear, _priced(name, 4, 60_000))
    for wear in item_names.WEARS:
        name = f"M4A4 | 龍王 (Dragon King) ({wear})"
        yield ItemDraft(name, "Weapon", "Rifles", "Assault Rifle", "M4A4", "龍王 (Dragon King)", wear, 1400)
        name = f"Souvenir AWP | Dragon Lore ({wear})"
        yield ItemDraft(name, "Weapon", "Rifles", "Sniper Rifle", "AWP", "Dragon Lore", wear, 1_850_000)


def _knives() -> Iterator[ItemDraft]:
    for knife, prefix in product(item_names.KNIVES, ("★ ", "★ StatTrak™ ")):
        yield ItemDraft(
            prefix + knife, "Weapon", "Knives", "Knife", knife, None, None, _priced(knife, 9_000, 90_000)
        )
        for skin, wear in product(item_names.KNIFE_FINISHES, item_names.WEARS):
            name = f"{prefix}{knife} | {skin} ({wear})"
            yield ItemDraft(
                name, "Weapon", "Knives", "Knife", knife, skin, wear, _priced(name, 6_000, 250_000)
            )
        for skin, wear in product(("Doppler", "Gamma Doppler"), item_names.WEARS[:2]):
            name = f"{prefix}{knife} | {skin} ({wear})"
            phases = item_names.DOPPLER if skin == "Doppler" else item_names.GAMMA
            yield ItemDraft(
                name, "Weapon", "Knives", "Knife", knife, skin, wear, _priced(name, 15_000, 400_000), phases
            )


def _gloves() -> Iterator[ItemDraft]:
    for glove, skin, wear in product(item_names.GLOVES, item_names.GLOVE_FINISHES, item_names.WEARS):
        name = f"★ {glove} | {skin} ({wear})"
        yield ItemDraft(
            name, "Weapon", "Gloves", "Wearable", glove, skin, wear, _priced(name, 5_000, 300_000)
        )


def _stickers() -> Iterator[ItemDraft]:
    for kind, signer, event, effect in product(
        ("Sticker", "Sticker Slab"), item_names.SIGNERS, item_names.EVENTS, item_names.EFFECTS
    ):
        name = f"{kind} | {signer}{effect} | {event}"
        yield ItemDraft(name, kind, "Autograph" if kind == "Sticker" else None, price=_priced(name, 3, 9_000))


def _others() -> Iterator[ItemDraft]:
    for case in item_names.CASES:
        yield ItemDraft(f"{case} Case", "Crate", "Weapon Case", price=_priced(case, 40, 4_000))
        yield ItemDraft(f"{case} Case Key", "Key", "Case Key", price=249)
    for agent in item_names.AGENTS:
        yield ItemDraft(agent, "Agent", "Counter-Terrorist", price=_priced(agent, 150, 9_000))
    for graffiti, ink in product(item_names.GRAFFITI, item_names.INKS):
        yield ItemDraft(
            f"Sealed Graffiti | {graffiti} ({ink})", "Graffiti", price=_priced(graffiti + ink, 3, 30)
        )
    for music, prefix in product(item_names.MUSIC, ("", "StatTrak™ ")):
        yield ItemDraft(
            f"{prefix}Music Kit | {music}", "Music Kit", price=_priced(prefix + music, 250, 2_500)
        )


_HEAD = (
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
