"""The SkinShark connector: a merchant's price listing, in one request where the source allows it."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from functools import partial
from typing import Final, TypeVar

import polars as pl

from common.concurrency import gather_fail_fast
from common.errors import ConfigError, RequestRejected, SourceError, TransientError
from connectors.base import Account, ExtractResult, HttpConnector
from connectors.http.client import BodyReader, Client
from connectors.http.compression import Decompress
from connectors.http.retry import RetryPolicy
from connectors.pages import PageSink, TypedPage
from connectors.pagination import OffsetPaginator, PageInfo
from connectors.schemas import PROVIDERS
from connectors.shards import Shard
from connectors.skinshark.contract import ROUTE, Row
from connectors.skinshark.envelope import unwrap
from connectors.skinshark.listing import (
    WHOLE_LISTING,
    PageQuery,
    PageRange,
    items_in,
    parse_page,
    parse_page_info,
)
from connectors.tiers import limits_for

_T = TypeVar("_T")
# Asks for the page at a place, and makes something of its content, which the server sent at a moment (UTC).
PageBuilder = Callable[[PageRange, bytes, datetime], Awaitable[PageInfo]]
MERCHANT: Final = "/merchant"
LARGEST_PAGE: Final = 500
# The documentation says that listing routes cost 5, and not whether this is one: too slow never earns a 429.
COST: Final = 5
# Asked for twice; then pages, which are smaller and get the patience of any other request.
LISTING_RETRY: Final = RetryPolicy(attempts=2)
# What each marketplace is called here (two as CS2Cap calls them), by the API, and by people.
MARKETS: Final = {
    "all": ("skinshark", "0", "SkinShark"),
    "c5": ("c5", "3", "C5Game"),
    "ecosteam": ("ecosteam", "4", "ECOSteam"),
}


class SkinShark(HttpConnector):
    """SkinShark behind `client`, whose only provider is one of `MARKETS`; prices are in US dollars.

    `include_fees` adds the merchant's own fee to every price. `tier` says how many tokens a minute has;
    "auto" stands for the smallest, since no route tells.
    """

    def __init__(
        self, client: Client, market: str = "all", *, include_fees: bool = False, tier: str = "auto"
    ) -> None:
        super().__init__(client)
        self._tier = tier
        self._market = market
        self._fees = "true" if include_fees else "false"
        self._paged = False
        self.provider, self._number, self._name = MARKETS[market]

    async def account(self) -> Account:
        """Prove the key by the cheapest route, the merchant's profile, and keep to the tier's pace."""
        terms = limits_for("standard" if self._tier == "auto" else self._tier, kind="skinshark")
        self._client.rate_limiter.set_rate(terms.per_minute)
        await self._client.read(MERCHANT, (), self._request(MERCHANT, _nothing), metered=False)
        tier = None if self._tier == "auto" else self._tier
        return Account(tier, terms.per_minute, None, None, None, active=True)

    async def items(self) -> pl.DataFrame:
        """Return the items of the listing, for sale or not, schema `ITEMS`; it costs what a listing does."""
        rows: dict[int, tuple[Row, ...]] = {}

        async def keep(place: PageRange, data: bytes, _moment: datetime) -> PageInfo:
            listing, sheet = await asyncio.to_thread(parse_page_info, place, data, self.source)
            rows[place.offset] = listing.rows
            return sheet

        await self._extract_listing(keep)
        listed = [row for offset in sorted(rows) for row in rows[offset]]
        return await asyncio.to_thread(items_in, listed, phased=self._market != "c5")

    async def providers(self) -> pl.DataFrame:
        """Return the one marketplace, schema `PROVIDERS`; nothing is asked for it."""
        told = {"provider": self.provider, "name": self._name, "default_currency": "USD"}
        known = {"has_buy_orders": False, "has_recent_sales": False}
        columns = {name: [{**told, **known}.get(name)] for name in PROVIDERS}
        return pl.DataFrame(columns, schema=PROVIDERS)

    async def fx(self) -> pl.DataFrame:
        """Raise ConfigError: the source converts nothing."""
        raise ConfigError("prices are in US dollars only: ask for USD", self.source)

    async def extract(self, shard: Shard, land: PageSink, have: Sequence[TypedPage] = ()) -> ExtractResult:
        """Fetch the listing, handing each page to `land` as it arrives; see `Connector.walk`.

        `have` is of no use: a landed page does not tell the items that were not for sale. Raises ConfigError
        for a marketplace or a currency that is not this source's.
        """
        del have
        if shard.providers != (self.provider,) or shard.currency != "USD":
            told = f"{', '.join(shard.providers)} in {shard.currency}"
            raise ConfigError(f"the source has {self.provider} in USD, not {told}", self.source)
        question = PageQuery.of(shard, self.source)

        async def landed(place: PageRange, data: bytes, moment: datetime) -> PageInfo:
            return await land(partial(parse_page, question, place, data, moment))

        return await self._extract_listing(landed)

    async def _extract_listing(self, make: PageBuilder) -> ExtractResult:
        """Walk the listing in one page; in pages where that does not come through, from then on."""
        if not self._paged:
            try:
                return await self._extract_pages(make, WHOLE_LISTING, LISTING_RETRY)
            except (RequestRejected, TransientError):
                self._paged = True
        return await self._extract_pages(make, LARGEST_PAGE, None)

    async def _extract_pages(self, make: PageBuilder, limit: int, retry: RetryPolicy | None) -> ExtractResult:
        paging, pages = OffsetPaginator(self.source), 0
        while offsets := paging.next_offsets():
            for sheet in await gather_fail_fast(
                *(self._page(PageRange(offset, limit), make, retry) for offset in offsets)
            ):
                pages += 1
                limit = sheet.limit
                paging.add_page(sheet)
        return ExtractResult(pages, paging.rows, paging.rounds)

    async def _page(self, place: PageRange, make: PageBuilder, retry: RetryPolicy | None) -> PageInfo:
        limit = "-1" if place.limit == WHOLE_LISTING else str(place.limit)
        params = [("page", str(place.number)), ("limit", limit)]
        params += [("market", self._number), ("includeFees", self._fees)]
        read = self._request(ROUTE, partial(make, place))
        answer = await self._client.read(ROUTE, params, read, cost=COST, metered=False, retry=retry)
        return answer.body

    def _request(self, route: str, use: Callable[[bytes, datetime], Awaitable[_T]]) -> BodyReader[_T]:
        """Let `use` have what an envelope holds, and keep its request's id, with an error of `use` too."""

        async def read(inflate: Decompress, moment: datetime) -> _T:
            content = await asyncio.to_thread(lambda: unwrap(inflate(), route, self.source))
            self._client.request_id = content.request_id
            try:
                return await use(content.data, moment)
            except SourceError as error:
                error.request_id = error.request_id or content.request_id
                raise

        return read


async def _nothing(_data: bytes, _moment: datetime) -> None:
    """That there was an envelope is enough."""
