"""The walk over the pages of one scope: a provider's whole catalog, or one item at all providers."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import TypeVar

from connectors.base import Land, Outcome, Page, Told
from connectors.client import Client
from connectors.cs2cap_page import read_page
from connectors.cs2cap_question import Question
from connectors.cs2cap_rows import OFFERS
from connectors.cs2cap_told import nothing, tell_page
from connectors.frames import QUOTES, keys_of
from connectors.inflate import Inflate
from connectors.naming import fingerprint_of
from connectors.paging import OffsetWalk, Sheet
from connectors.plan import Item, Shard

_Made = TypeVar("_Made", Page, Told)


class PagesWalk:
    """Request `place` of `shard`: what the shard asks about `item`, or about everything if that is None."""

    def __init__(
        self, client: Client, shard: Shard, place: int, item: Item | None, land: Land, limit: int | None
    ) -> None:
        self._client = client
        self._shard = shard
        providers = frozenset() if shard.every_provider else frozenset(shard.providers)
        self._offers = OFFERS[shard.deliveries[0]]
        wanted = shard.items if item is None else None
        self._question = Question(client.source, self._offers, place, shard.currency, providers, item, wanted)
        self._place = place
        self._item = item
        self._land = land
        self._limit = limit
        self._paging = OffsetWalk(client.source)
        self._fetched = 0

    async def run(self, have: Sequence[Page]) -> Outcome:
        """Fetch and land what `have` lacks, until the pages add up; raises FloorlineErrors."""
        resumed = self._resumable(have)
        # pages that were typed and rows as they came do not mix in a shard
        self._as_told = self._item is None and self._question.wanted is None and not resumed
        for page, sheet in resumed:
            await self._land_again(page, sheet)
            self._accept(sheet, page.observed_at)
        while True:
            offsets = self._paging.wanted()
            await self._land_emptied()
            if not offsets:
                return Outcome(self._fetched, self._paging.rows, self._paging.rounds)
            async with asyncio.TaskGroup() as group:
                for offset in offsets:
                    group.create_task(self._fetch(offset))

    async def _fetch(self, offset: int) -> None:
        await self._client.read(self._offers.path, self._params(offset), partial(self._arrived, offset))

    async def _arrived(self, offset: int, inflate: Inflate, moment: datetime) -> None:
        make = tell_page if self._as_told else read_page
        sheet = await self._land(partial(make, self._question, offset, inflate, moment))
        self._limit = sheet.limit
        self._fetched += 1
        self._accept(sheet, moment)

    def _accept(self, sheet: Sheet, moment: datetime) -> None:
        self._last_moment, self._last_total = moment, sheet.total
        self._paging.accept(sheet)

    async def _land_again(self, page: Page, sheet: Sheet) -> None:
        await self._land(partial(_as_it_is, page, sheet))

    async def _land_emptied(self) -> None:
        """Land an empty page where the listing used to reach, in place of the rows that lie there."""
        while self._paging.emptied:
            offset = self._paging.emptied.pop()
            if self._as_told:
                gone = partial(nothing, self._question, offset, self._last_total, self._last_moment)
                await self._land(gone)
                continue
            rows = QUOTES.to_frame()
            page = Page(
                self._place, offset, self._last_total, self._last_moment, rows, (), {}, fingerprint_of([])
            )
            await self._land_again(page, _sheet_of(page, 1))

    def _params(self, offset: int) -> list[tuple[str, str]]:
        params = [*self._about(), ("currency", self._shard.currency)]
        if not self._shard.every_provider:
            params += [("providers", provider) for provider in self._shard.providers]
        if self._limit is not None:
            params.append(("limit", str(self._limit)))
        return [*params, ("offset", str(offset))]

    def _about(self) -> list[tuple[str, str]]:
        if self._item is None:
            return []
        if self._item.item_id is not None:
            return [("item_id", self._item.item_id)]
        named = [("market_hash_name", self._item.market_hash_name)]
        return named if self._item.phase is None else [*named, ("phase", self._item.phase)]

    def _resumable(self, have: Sequence[Page]) -> list[tuple[Page, Sheet]]:
        """Choose the pages of an interrupted walk that this one can build on: all, or none.

        A landed page does not say how many rows it was allowed to have. A first page that is not the last one
        is full, which tells it; a first page that is the last one must hold the total.
        """
        pages = {page.offset: page for page in have if page.request == self._place}
        if self._question.wanted is not None:  # what of these pages was not wanted is not known
            return []
        if 0 not in pages or any(page.total < 0 for page in pages.values()):
            return []
        size, total = _size(pages[0]), pages[0].total
        whole = size == total
        if any(offset % max(size, 1) for offset in pages) or not (whole or 0 < size < total):
            return []
        if self._limit is None and not whole:
            self._limit = size
        return [(page, _sheet_of(page, size or 1)) for page in pages.values()]


def _as_it_is(page: _Made, sheet: Sheet) -> tuple[_Made, Sheet]:
    return page, sheet


def _size(page: Page) -> int:
    return page.rows.height + len(page.rejects)


def _sheet_of(page: Page, limit: int) -> Sheet:
    return Sheet(
        offset=page.offset,
        limit=limit,
        total=page.total,
        has_next=page.offset + limit < page.total,
        keys=keys_of(page.rows),
        fingerprint=page.fingerprint,
        others=len(page.rejects),
    )
