"""Walk through SkinShark's offers of an item, page by page, while offers sell and others are listed.

Pages are positions in a list that is sorted by price: an offer that sells moves each offer behind it one
position forward, perhaps onto a page that was read already. A pass through the pages shows that nothing moved
where all pages tell the same total and no offer comes twice. Otherwise the walk reads all pages once more:
what only one of the two passes saw was there, and what neither saw was not.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from itertools import count

from msgspec import Struct

from common.errors import PaginationError, SourceError
from common.shards import Item
from connectors.listings import ListingWalk, Sighting, WalkEnd
from connectors.skinshark.offers import PAGE_OFFERS, REACHABLE, OfferPage


class ReceivedPage(Struct, frozen=True):
    """A page, and the server's time (UTC) at which it was sent."""

    page: OfferPage
    observed_at: datetime


# Reads the page of a number (from 1) with so many offers at most.
ReadPage = Callable[[int, int], Awaitable[ReceivedPage]]


@dataclass(slots=True)
class _Pass:
    """One pass through the pages of an item."""

    times: list[datetime] = field(default_factory=list)
    totals: list[int] = field(default_factory=list)
    ids: set[str] = field(default_factory=set)
    offers: int = 0
    reach: Decimal | None = None
    end: WalkEnd = "interrupted"

    @property
    def steady(self) -> bool:
        """Whether no page shows that offers moved: one answer is the list of one moment."""
        return len(self.totals) == 1 or (len(set(self.totals)) == 1 and len(self.ids) == self.offers)


class OfferWalk:
    """Walks through the offers of one item; `cap` is rounded up to whole pages."""

    def __init__(self, item: Item, cap: int, read_page: ReadPage, source: str) -> None:
        self._item = item
        self._cap = min(cap, REACHABLE)
        self._limit = min(cap, PAGE_OFFERS)
        self._read_page = read_page
        self._source = source
        self._seen: dict[str, Sighting] = {}
        self._passes: list[_Pass] = []
        self._unreadable = ""
        self._odd: dict[str, None] = {}

    async def run(self) -> ListingWalk:
        """Return the walk, which an error of a later page interrupts; raise an error of the first page."""
        try:
            await self._pass()
            if not self._passes[0].steady:
                await self._pass()
        except SourceError as error:
            if not self._passes[0].totals:
                raise
            return self._result(str(error))
        return self._result(self._unreadable)

    async def _pass(self) -> None:
        current = _Pass()
        self._passes.append(current)
        for number in count(1):
            received = await self._read_page(number, self._limit)
            page, before = received.page, (number - 1) * self._limit
            self._add(current, received)
            if before + page.rows < page.total and page.rows < self._limit:
                raise PaginationError(
                    f"page {number} has {page.rows:,} offers, although {page.total:,} are listed",
                    self._source,
                )
            if before + page.rows >= page.total and before + page.rows < REACHABLE:
                current.end = "whole"
                return
            if number * self._limit >= self._cap:
                current.end = "capped"
                return

    def _add(self, current: _Pass, received: ReceivedPage) -> None:
        at = received.observed_at
        if received.page.unreadable:  # any offer may be the one that it stands for
            self._unreadable = f"an offer cannot be read: {received.page.unreadable[0]}"
        self._odd.update(dict.fromkeys(received.page.odd))
        current.times.append(at)
        current.totals.append(received.page.total)
        for offer in received.page.offers:
            known = self._seen.get(offer.listing_id)
            self._seen[offer.listing_id] = Sighting(offer, known.first_seen if known else at, at)
            current.ids.add(offer.listing_id)
            current.offers += 1
            current.reach = offer.price if current.reach is None else max(current.reach, offer.price)

    def _result(self, problem: str) -> ListingWalk:
        """Return the walk; one of two restless passes has what the other one missed: both count as one."""
        last = self._passes[-1]
        first = last if last.steady and last.times else self._passes[0]
        times = [time for each in self._passes for time in each.times]
        return ListingWalk(
            item=self._item,
            started_at=first.times[0],
            ended_at=times[-1],
            end="interrupted" if problem else last.end,
            total=(last.totals or first.totals)[-1],
            reach=last.reach,
            sightings=tuple(self._seen.values()),
            problem=problem,
            odd=tuple(self._odd),
        )
