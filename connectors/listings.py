"""The offers of single copies that walks through the listings of items saw, and their frames."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Final, Literal

import polars as pl
from msgspec import Struct

from common.shards import Item
from connectors.schemas import LISTING_WALKS, LISTINGS

# Whether a walk read every offer, stopped at its cap, or ended before either.
WalkEnd = Literal["whole", "capped", "interrupted"]
_OFFER_FIELDS: Final = LISTINGS.names()[4:]


class Offer(Struct, frozen=True):
    """One copy for sale. `wear` is the API's text, `stickers` and `charm` are its JSON."""

    listing_id: str
    price: Decimal
    name: str | None = None
    phase: str | None = None
    paint_index: int | None = None
    wear: str | None = None
    paint_seed: int | None = None
    fade: float | None = None
    hardened: str | None = None
    stickers: str | None = None
    charm: str | None = None
    delivery: str | None = None


class Sighting(Struct, frozen=True):
    """An offer as a walk saw it last, and the server's times (UTC) of its first and last sight."""

    offer: Offer
    first_seen: datetime
    last_seen: datetime


class ListingWalk(Struct, frozen=True):
    """A walk through the offers of one item, from the cheapest one up to the price `reach`.

    An offer that was listed from `started_at` to `ended_at` (the server's times, UTC) is among the sightings
    of a whole walk. `problem` says why a walk was interrupted, `odd` which fields were left out of offers.
    """

    item: Item
    started_at: datetime
    ended_at: datetime
    end: WalkEnd
    total: int
    reach: Decimal | None
    sightings: tuple[Sighting, ...]
    problem: str = ""
    odd: tuple[str, ...] = ()


def listings_frame(walks: Sequence[ListingWalk]) -> pl.DataFrame:
    """Return what the walks saw, schema `LISTINGS`."""
    rows = [
        (
            *(walk.item.item_id, walk.item.market_hash_name, seen.first_seen, seen.last_seen),
            *(getattr(seen.offer, name) for name in _OFFER_FIELDS),
        )
        for walk in walks
        for seen in walk.sightings
    ]
    return pl.DataFrame(rows, schema=LISTINGS, orient="row", strict=True)


def walks_frame(walks: Sequence[ListingWalk]) -> pl.DataFrame:
    """Return the walks, schema `LISTING_WALKS`."""
    rows = [
        (
            *(walk.item.item_id, walk.item.market_hash_name, walk.started_at, walk.ended_at),
            *(walk.end, walk.total, len(walk.sightings), walk.reach),
        )
        for walk in walks
    ]
    return pl.DataFrame(rows, schema=LISTING_WALKS, orient="row", strict=True)
