"""The walk over the pages of one scope: a provider's whole catalog, or one item at all providers."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import TypeVar

from common.shards import Item
from connectors.base import ExtractResult
from connectors.cs2cap.contract import BOOK_SIDES, PageQuery
from connectors.cs2cap.raw_page import empty_raw_page, parse_raw_page
from connectors.cs2cap.typed_page import parse_typed_page
from connectors.http.client import Client
from connectors.http.compression import Decompress
from connectors.pages import PageSink, RawPage, TypedPage, fingerprint_keys
from connectors.pagination import OffsetPaginator, PageInfo
from connectors.schemas import QUOTES, quote_keys
from connectors.shards import Shard

_Made = TypeVar("_Made", TypedPage, RawPage)


class PagedExtraction:
    """Request `place` of `shard`: what the shard asks about `item`, or about everything if that is None."""

    def __init__(
        self, client: Client, shard: Shard, place: int, item: Item | None, land: PageSink, limit: int | None
    ) -> None:
        self._client = client
        self._shard = shard
        providers = frozenset() if shard.every_provider else frozenset(shard.providers)
        self._offers = BOOK_SIDES[shard.deliveries[0]]
        wanted = shard.items if item is None else None
        self._question = PageQuery(
            client.source, self._offers, place, shard.currency, providers, item, wanted
        )
        self._place = place
        self._item = item
        self._land = land
        self._limit = limit
        self._paging = OffsetPaginator(client.source)
        self._fetched = 0

    async def run(self, have: Sequence[TypedPage]) -> ExtractResult:
        """Fetch and land what `have` lacks, until the pages add up; raises FloorlineErrors."""
        resumed = self._reusable(have)
        # pages that were typed and rows as they came do not mix in a shard
        self._as_told = self._item is None and self._question.wanted is None and not resumed
        for page, sheet in resumed:
            await self._reland(page, sheet)
            self._accept(sheet, page.observed_at)
        while True:
            offsets = self._paging.next_offsets()
            await self._land_tombstone()
            if not offsets:
                return ExtractResult(self._fetched, self._paging.rows, self._paging.rounds)
            async with asyncio.TaskGroup() as group:
                for offset in offsets:
                    group.create_task(self._fetch(offset))

    async def _fetch(self, offset: int) -> None:
        await self._client.read(self._offers.path, self._params(offset), partial(self._parse, offset))

    async def _parse(self, offset: int, inflate: Decompress, moment: datetime) -> None:
        make = parse_raw_page if self._as_told else parse_typed_page
        sheet = await self._land(partial(make, self._question, offset, inflate, moment))
        self._limit = sheet.limit
        self._fetched += 1
        self._accept(sheet, moment)

    def _accept(self, sheet: PageInfo, moment: datetime) -> None:
        self._last_moment, self._last_total = moment, sheet.total
        self._paging.add_page(sheet)

    async def _reland(self, page: TypedPage, sheet: PageInfo) -> None:
        await self._land(partial(_identity, page, sheet))

    async def _land_tombstone(self) -> None:
        """Land an empty page where the listing used to reach, in place of the rows that lie there."""
        while self._paging.emptied:
            offset = self._paging.emptied.pop()
            if self._as_told:
                gone = partial(empty_raw_page, self._question, offset, self._last_total, self._last_moment)
                await self._land(gone)
                continue
            rows = QUOTES.to_frame()
            page = TypedPage(
                self._place, offset, self._last_total, self._last_moment, rows, (), {}, fingerprint_keys([])
            )
            await self._reland(page, _page_info(page, 1))

    def _params(self, offset: int) -> list[tuple[str, str]]:
        params = [*self._item_params(), ("currency", self._shard.currency)]
        if not self._shard.every_provider:
            params += [("providers", provider) for provider in self._shard.providers]
        if self._limit is not None:
            params.append(("limit", str(self._limit)))
        return [*params, ("offset", str(offset))]

    def _item_params(self) -> list[tuple[str, str]]:
        if self._item is None:
            return []
        if self._item.item_id is not None:
            return [("item_id", self._item.item_id)]
        named = [("market_hash_name", self._item.market_hash_name)]
        return named if self._item.phase is None else [*named, ("phase", self._item.phase)]

    def _reusable(self, have: Sequence[TypedPage]) -> list[tuple[TypedPage, PageInfo]]:
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
        return [(page, _page_info(page, size or 1)) for page in pages.values()]


def _identity(page: _Made, sheet: PageInfo) -> tuple[_Made, PageInfo]:
    return page, sheet


def _size(page: TypedPage) -> int:
    return page.rows.height + len(page.rejects)


def _page_info(page: TypedPage, limit: int) -> PageInfo:
    return PageInfo(
        offset=page.offset,
        limit=limit,
        total=page.total,
        has_next=page.offset + limit < page.total,
        keys=quote_keys(page.rows),
        fingerprint=page.fingerprint,
        others=len(page.rejects),
    )
