"""The results of `floorline items search` and `floorline providers`."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True, slots=True)
class ItemOutput:
    """An item of a catalog; `item` is its name as a configuration takes it. Unknown fields are null."""

    source: str
    item: str
    item_id: str | None
    market_hash_name: str
    phase: str | None
    item_type: str | None
    item_subtype: str | None
    weapon_type: str | None
    base_name: str | None
    skin_name: str | None
    wear_name: str | None
    collection: str | None
    rarity_name: str | None
    is_stattrak: bool | None
    is_souvenir: bool | None


@dataclasses.dataclass(frozen=True, slots=True)
class ItemsOutput:
    """The number of items that were found, and the first of them of each source."""

    items_found: int
    items: tuple[ItemOutput, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class ProviderOutput:
    """A marketplace: `provider` is its key. Fees are shares from 0 to 1. Unknown fields are null."""

    source: str
    provider: str
    name: str | None
    market_type: str | None
    default_currency: str | None
    sell_fee_share: float | None
    insta_sell_fee_share: float | None
    trading_spread_fee_share: float | None
    has_buy_orders: bool | None
    has_recent_sales: bool | None
    health: str | None
