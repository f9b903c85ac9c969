"""Worlds in which a large part of a marketplace vanishes at once, for good or for a while."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from random import Random

from tests.support.clocks import NOON
from tests.support.warehouse import ItemTuple, Page, Quote, ShardSpec, item_name
from tests.support.worlds.landings import Landing
from warehouse.landing.model import RunHeader

HOUR = timedelta(hours=1)
SOURCE, LARGE, SMALL = "cs2cap", "steam", "buff163"


def create_shrinking_landings(rng: Random) -> list[Landing]:
    """Return the landings of a world with one large marketplace and a small one."""
    return _ShrinkingWorld(rng).build()


class _ShrinkingWorld:
    def __init__(self, rng: Random) -> None:
        self._rng, self._now = rng, NOON
        self._items = [
            str(number) for number in range(1, rng.choice([120, 160, 220, 360]) + rng.randint(0, 9))
        ]
        self._cents = {item: rng.randint(1, 500) for item in self._items}
        self._route = rng.choice(["catalog", "listing", "batches"])
        self._delivery = "instant" if self._route == "listing" else rng.choice(["standard", "bid"])
        self._gone: set[str] = set()
        self._landings: list[Landing] = []

    def build(self) -> list[Landing]:
        """Return the landings: all is there, then much vanishes, and perhaps returns."""
        rng, runs = self._rng, self._rng.randint(6, 10)
        vanishes_at, returns_at = rng.randint(1, 3), rng.choice([99, 99, rng.randint(3, runs)])
        hours = rng.choice([[1, 2], [4, 7, 9], [8, 13, 25]])
        for number in range(runs):
            if number == vanishes_at or (number == vanishes_at + 1 and rng.random() < 0.3):
                self._gone |= set(rng.sample(self._items, self._count_vanishing()))
            if number == returns_at:
                self._gone = set(rng.sample(self._items, 3))
            self._cents.update({item: rng.randint(1, 500) for item in rng.sample(self._items, 5)})
            self._run()
            self._now += rng.choice(hours) * HOUR
            if number > vanishes_at and rng.random() < 0.2:
                self._accept()
        return self._landings

    def _count_vanishing(self) -> int:
        """Return how many vanish at once: often more than the loader believes at first."""
        least = 90 if self._rng.random() < 0.8 else 20
        return self._rng.randint(least, self._rng.choice([120, len(self._items)]))

    def _run(self) -> None:
        rng = self._rng
        listed = [item for item in self._items if item not in self._gone and rng.random() < 0.995]
        if rng.random() < 0.15:  # another basket, of a few items
            few = rng.sample(self._items, 8)
            self._land("few", [self._shard(few, listed, self._now)])
            self._now += timedelta(minutes=rng.randint(1, 20))
        shards = self._large_shards(listed)
        small = rng.sample(self._items[:9], 6)
        shards.append(self._spec([Page(self._now, [self._quote(item, SMALL) for item in small])], SMALL))
        self._land("all", shards, down=[LARGE] if rng.random() < 0.07 else [])

    def _large_shards(self, listed: Sequence[str]) -> list[ShardSpec]:
        if self._route != "batches":
            return [self._shard(None, listed, self._now)]
        starts = range(0, len(self._items), 60)
        batches = [self._items[start : start + 60] for start in starts]
        return [
            self._shard(batch, listed, self._now + timedelta(seconds=20 * number))
            for number, batch in enumerate(batches)
        ]

    def _shard(self, requested: Sequence[str] | None, listed: Sequence[str], at: datetime) -> ShardSpec:
        """Return what a request of everything, or of these items, returns of the large marketplace."""
        wanted = listed if requested is None else [item for item in requested if item in set(listed)]
        pages = [
            Page(at + timedelta(seconds=number), [self._quote(item, LARGE) for item in chunk], offset=number)
            for number, chunk in enumerate([wanted[:90], wanted[90:]])
        ]
        if self._rng.random() < 0.05 and wanted:
            reject = {"item_id": self._rng.choice(self._items), "lowest_ask": "?"}
            pages.append(Page(at, [], offset=9, rejects=[("did not fit", json.dumps(reject))]))
        return self._spec(pages, LARGE, requested)

    def _spec(self, pages: Sequence[Page], provider: str, items: Sequence[str] | None = None) -> ShardSpec:
        complete = self._rng.random() > 0.06
        requested: tuple[ItemTuple, ...] | None = None
        if items is not None:
            requested = tuple((item, item_name(item), None) for item in items)
        return ShardSpec(
            pages if complete else pages[:1],
            providers=(provider,),
            items=requested,
            complete=complete,
            deliveries=(self._delivery,),
            listing=self._route == "listing" and items is None,
        )

    def _quote(self, item: str, provider: str) -> Quote:
        return Quote(item, self._cents[item], provider=provider, delivery=self._delivery)

    def _accept(self) -> None:
        providers = [LARGE, SMALL] if self._rng.random() < 0.2 else [LARGE]
        self._land("", [], flow="accept", accepted=providers)
        self._now += HOUR

    def _land(self, basket: str, shards: list[ShardSpec], *, flow: str = "snapshot", **facts: object) -> None:
        header = RunHeader(
            f"{self._rng.choice('abc')}-{len(self._landings):02}",
            flow,
            SOURCE,
            basket,
            self._now,
            interval_seconds=None if flow == "accept" else 3600,
        )
        given = {name: value for name, value in facts.items() if value}
        self._landings.append(Landing(header, shards, facts=given))
