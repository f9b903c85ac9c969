"""Extract a listing page by page: a provider's whole catalog, or one item at all providers."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from functools import partial

from common.shards import Item
from connectors.base import ExtractResult
from connectors.cs2cap.contract import BOOK_SIDES
from connectors.cs2cap.query import PageQuery, item_params, named_providers
from connectors.cs2cap.raw_page import empty_raw_page, parse_raw_page
from connectors.cs2cap.typed_page import empty_typed_page, parse_typed_page, prebuilt_page
from connectors.http.client import Client
from connectors.http.encoded_body import Decompress
from connectors.pages import PageSink, TypedPage
from connectors.pagination import OffsetPaginator, PageInfo
from connectors.schemas import quote_keys
from connectors.shards import Shard


class PagedExtraction:
    """Request `number` of `shard`: the listing of `item`, or of every item if None.

    `limit` is the page size to request; None leaves it to the API.
    """

    def __init__(
        self,
        client: Client,
        shard: Shard,
        sink: PageSink,
        *,
        number: int,
        item: Item | None,
        limit: int | None,
    ) -> None:
        self._client = client
        self._sink = sink
        self._query = PageQuery(
            source=client.source,
            side=BOOK_SIDES[shard.deliveries[0]],
            number=number,
            currency=shard.currency,
            providers=frozenset(named_providers(shard)),
            item=item,
            selection=shard.items if item is None else None,
        )
        self._params = [*item_params(item), ("currency", shard.currency)]
        self._params += [("providers", provider) for provider in named_providers(shard)]
        self._limit = limit
        self._paginator = OffsetPaginator(client.source)
        self._fetched = 0

    async def run(self, resume_pages: Sequence[TypedPage]) -> ExtractResult:
        """Fetch and land the pages that `resume_pages` lacks, until they add up; raises SourceErrors."""
        resumed = self._reusable(resume_pages)
        # one shard cannot hold both typed and raw pages
        self._raw = self._query.item is None and self._query.selection is None and not resumed
        for page, info in resumed:
            await self._sink(partial(prebuilt_page, page, info))
            self._accept(info, page.observed_at)
        while True:
            offsets = self._paginator.next_offsets()
            await self._land_tombstones()
            if not offsets:
                return ExtractResult(self._fetched, self._paginator.rows, self._paginator.rounds)
            async with asyncio.TaskGroup() as group:
                for offset in offsets:
                    group.create_task(self._fetch(offset))

    async def _fetch(self, offset: int) -> None:
        limit = [] if self._limit is None else [("limit", str(self._limit))]
        params = [*self._params, *limit, ("offset", str(offset))]
        await self._client.read(self._query.side.path, params, partial(self._parse, offset))

    async def _parse(self, offset: int, decompress: Decompress, observed_at: datetime) -> None:
        parse = parse_raw_page if self._raw else parse_typed_page
        info = await self._sink(partial(parse, self._query, offset, decompress, observed_at=observed_at))
        self._limit = info.limit  # the first page shows the API's default; later pages request the same
        self._fetched += 1
        self._accept(info, observed_at)

    def _accept(self, info: PageInfo, observed_at: datetime) -> None:
        self._last_observed_at, self._last_total = observed_at, info.total
        self._paginator.add_page(info)

    async def _land_tombstones(self) -> None:
        """Land an empty page in place of each one that now lies beyond the end of the listing."""
        build = empty_raw_page if self._raw else empty_typed_page
        while self._paginator.emptied:
            build_at = partial(build, self._query, self._paginator.emptied.pop())
            await self._sink(partial(build_at, total=self._last_total, observed_at=self._last_observed_at))

    def _reusable(self, landed: Sequence[TypedPage]) -> list[tuple[TypedPage, PageInfo]]:
        """Return the landed pages that this extraction can continue from.

        A landed page stores neither its limit nor the rows that it repeated. The size of the fullest page is
        the limit; if there is only one page, it must hold as many rows as the total says. A page with fewer
        rows than its offset and total call for is fetched again.
        """
        pages = {page.offset: page for page in landed if page.request == self._query.number}
        if self._query.selection is not None:  # the rows that were dropped from these pages are unknown
            return []
        if 0 not in pages or any(page.total < 0 for page in pages.values()):
            return []
        sizes = {offset: page.rows.height + len(page.rejects) for offset, page in pages.items()}
        limit, total = max(sizes.values()), pages[0].total
        complete = limit == total
        if any(offset % max(limit, 1) for offset in pages) or not (complete or 0 < limit < total):
            return []
        if self._limit is None and not complete:
            self._limit = limit
        return [
            (page, _page_info(page, limit or 1))
            for offset, page in pages.items()
            if sizes[offset] >= min(limit, page.total - offset)
        ]


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
