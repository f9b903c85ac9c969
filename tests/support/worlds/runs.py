"""Runs of the baskets of a world: shards with pages of what the market lists, and what goes wrong in them."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from random import Random

from tests.support.warehouse import Page, Quote, ShardSpec
from tests.support.worlds.baskets import Basket, Request
from tests.support.worlds.kinds import Kind
from tests.support.worlds.landings import Landing, RateTable
from tests.support.worlds.market import Market, Place
from warehouse.landing.model import RunHeader

RATES = {"USD": Decimal(1), "EUR": Decimal("0.85"), "BTC": Decimal("0.00001")}
SKEWS = (timedelta(minutes=4), timedelta(minutes=5), timedelta(hours=1), timedelta(days=365))
SECOND = timedelta(seconds=1)


@dataclasses.dataclass(frozen=True, slots=True)
class Unreadable:
    """A row that a run could not read; `reject_id` is that of its reject."""

    reject_id: str
    quote: Quote
    page: Page


class RunBuilder:
    """Builds one run of a basket; afterwards `ended_at` and `unreadable` say how it went."""

    def __init__(self, rng: Random, kind: Kind, basket: Basket, *, run_id: str, at: datetime) -> None:
        self._rng, self._kind, self._basket, self._run_id, self._at = rng, kind, basket, run_id, at
        self._skew = rng.choice(SKEWS) if rng.random() < kind.ahead else -SECOND
        self._drift = Decimal(rng.randint(95, 105)) / 100
        self.ended_at = at
        self.unreadable: list[tuple[Request, Unreadable]] = []
        self._current: dict[int, Page] = {}

    def build(self) -> Landing:
        """Return the landing of the run."""
        rng, kind, market = self._rng, self._kind, self._basket.market
        down = tuple(provider for provider in market.providers if rng.random() < kind.down)
        shards = [
            self._build_shard(number, request, down)
            for number, request in enumerate(self._basket.requests, 1)
        ]
        crashed = rng.random() < kind.crashed
        complete = all(shard.complete for shard in shards)
        header = RunHeader(
            self._run_id,
            flow="snapshot",
            source=market.source,
            basket=self._basket.name,
            started_at=self._at,
            interval_seconds=self._basket.interval_seconds,
        )
        return Landing(
            header,
            shards,
            state=None if crashed else "done" if complete else "incomplete",
            facts={"down": down} if down else {},
            items=market.catalog() if rng.random() < kind.catalogs or self._names_phases(shards) else None,
            rates=self._rate_table() if rng.random() < kind.rates else None,
            raw=self._can_be_raw(shards) and rng.random() < kind.raw,
        )

    def _names_phases(self, shards: Sequence[ShardSpec]) -> bool:
        """Return whether a run names a phase or an aggregate: it must then name all phases of the name."""
        named = {quote.item for shard in shards for page in shard.pages for quote in page.quotes}
        requested = {item_id for shard in shards for item_id, _, _ in shard.items or ()}
        return any(map(self._basket.market.is_phased, named | requested))

    def _rate_table(self) -> RateTable:
        moment = self._at - self._rng.randint(1, 99) * SECOND
        return RateTable(moment, {currency: rate * self._drift for currency, rate in RATES.items()})

    def _can_be_raw(self, shards: Sequence[ShardSpec]) -> bool:
        return self._basket.market.source == "cs2cap" and not any(p.rejects for s in shards for p in s.pages)

    def _build_shard(self, number: int, request: Request, down: Sequence[str]) -> ShardSpec:
        rng, kind = self._rng, self._kind
        start = self.ended_at if rng.random() < 0.7 else self._at
        clock = start + rng.randint(1, 20) * SECOND
        places = [place for place in self._places(request) if place[1] not in down]
        size, pages = rng.randint(1, 6), []
        for offset in range(0, max(len(places), 1), size):
            pages.append(self._build_page(request, places[offset : offset + size], clock, offset))
            clock += rng.choice([1, 3, 30, 300]) * SECOND
        if rng.random() < kind.repeated:
            pages.append(self._repeat_row(pages, clock, len(places)))
        if rng.random() < kind.refetched:
            pages.append(self._build_page(request, places[:size], clock + SECOND, 0))
        complete = rng.random() >= kind.incomplete
        if not complete:
            pages = pages[: rng.randint(1, len(pages))]
        self._current = {page.offset: page for page in pages}
        self.ended_at = max(self.ended_at, clock)
        return ShardSpec(
            [self._reject_rows(page, request, number, index) for index, page in enumerate(pages)],
            currency=request.currency,
            providers=request.providers,
            items=request.items,
            complete=complete,
            deliveries=request.deliveries,
            listing=request.listing,
        )

    def _places(self, request: Request) -> list[Place]:
        """Return what the market has for a request now, and at times a row that nobody requested."""
        market, rng = self._basket.market, self._rng
        stray = self._kind.stray / 4
        places = [
            place
            for place, listing in market.listings.items()
            if listing.listed
            and place[2] in request.deliveries
            and (place[1] in request.providers or rng.random() < stray)
            and self._is_requested(market, request, place[0])
        ]
        rng.shuffle(places)
        return places

    def _is_requested(self, market: Market, request: Request, index: int) -> bool:
        item = market.items[index]
        if request.items is not None:
            return any(
                (item.name, item.phase) == (name, phase) if item_id is None else item.item_id == item_id
                for item_id, name, phase in request.items
            )
        return request.listing or market.lists_aggregates or not market.is_aggregate(item)

    def _build_page(self, request: Request, places: Sequence[Place], at: datetime, offset: int) -> Page:
        rate = RATES[request.currency] * self._drift
        market = self._basket.market
        quotes = [market.quote(place, request.currency, at=at, rate=rate) for place in places]
        return Page(at + self._skew, quotes, offset=offset, landed_at=at)

    def _repeat_row(self, pages: Sequence[Page], at: datetime, offset: int) -> Page:
        """Return a page with a row that an earlier page has, too, as it was refreshed since."""
        quotes = [quote for page in pages for quote in page.quotes][:1]
        moved = [
            dataclasses.replace(quote, quantity=self._rng.randint(1, 9), last_updated=at) for quote in quotes
        ]
        return Page(at + self._skew, moved, offset=offset + 1000, landed_at=at)

    def _reject_rows(self, page: Page, request: Request, number: int, index: int) -> Page:
        """Return the page with those rows as rejects that the run cannot read."""
        readable: list[Quote] = []
        rejects: list[tuple[str, str]] = []
        market = self._basket.market
        for quote in page.quotes:
            if market.is_unreadable(quote):
                reject_id = f"{self._run_id}/{number:04}/{index}/{len(rejects)}"
                if self._current[page.offset] is page:
                    self.unreadable.append((request, Unreadable(reject_id, quote, page)))
                rejects.append(("did not fit", json.dumps(self._remains(quote))))
            else:
                readable.append(quote)
        return dataclasses.replace(page, quotes=readable, rejects=rejects)

    def _remains(self, quote: Quote) -> Mapping[str, object]:
        """Return what a reject still names of its row."""
        everything = {"item_id": quote.item, "market_hash_name": quote.name, "provider": quote.provider}
        names = self._rng.choice(
            [
                ("item_id", "market_hash_name", "provider"),
                ("item_id", "market_hash_name"),
                ("item_id", "provider"),
                ("provider",),
                (),
                # The name alone would name nothing, or another item, after a rename.
                *([] if self._kind.renamed else [("market_hash_name", "provider"), ("market_hash_name",)]),
            ]
        )
        remains: dict[str, object] = {name: everything[name] for name in names}
        if "provider" in remains and self._rng.random() < 0.15:
            remains["provider"] = self._rng.choice(["unheard-of", *self._basket.market.providers])
        return {**remains, "lowest_ask": "?"}
