"""Walks through the offers of an item, and a landing that has them."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

from common.shards import Item
from connectors.listings import ListingWalk, Offer, Sighting, WalkEnd, listings_frame, walks_frame
from tests.support.warehouse import item_name, run_header
from warehouse.landing.writer import LandingWriter
from warehouse.paths import WarehousePaths


class Walk:
    """A walk that saw these offers at a time, and took `seconds`."""

    def __init__(
        self,
        item: str,
        at: datetime,
        *offers: Offer,
        end: WalkEnd = "whole",
        seconds: float = 0,
        name: str | None = None,
    ) -> None:
        prices = [offer.price for offer in offers]
        self.walk = ListingWalk(
            item=Item(item, name or item_name(item), None),
            started_at=at,
            ended_at=at + timedelta(seconds=seconds),
            end=end,
            total=len(offers),
            reach=max(prices, default=None),
            sightings=tuple(Sighting(offer, at, at) for offer in offers),
        )


def add_walks(landing: LandingWriter, *walks: Walk) -> None:
    """Add walks to a landing, as a run does."""
    frames = [each.walk for each in walks]
    landing.add_catalog("listings", listings_frame(frames))
    landing.add_catalog("listing_walks", walks_frame(frames))


def land_walks(paths: WarehousePaths, run_id: str, at: datetime, *walks: Walk) -> Path:
    """Land a run that walked and fetched nothing else."""
    with LandingWriter(paths.landing, run_header(run_id, at)) as landing:
        add_walks(landing, *walks)
        landing.finish("done")
    return landing.folder
