"""The SkinShark connector: a merchant's price listing, in one request where the API allows it."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from functools import partial
from typing import Final, TypeVar

import polars as pl

from common.concurrency import gather_fail_fast
from common.errors import (
    ConfigError,
    ConnectionLost,
    Outage,
    PaginationError,
    RequestRejected,
    RequestTimeout,
    SourceError,
    Unavailable,
    UnexpectedResponse,
)
from common.shards import Item
from connectors.base import Account, Connector, ExtractResult
from connectors.http.client import Client
from connectors.http.retry import RetryPolicy
from connectors.listings import ListingWalk
from connectors.pages import PageSink, TypedPage
from connectors.pagination import OffsetPaginator, PageInfo
from connectors.shards import BID_DELIVERIES, Shard
from connectors.skinshark.contract import ROUTE
from connectors.skinshark.fees import ROUTE as FEES_ROUTE
from connectors.skinshark.fees import parse_fees
from connectors.skinshark.listing import (
    WHOLE_LISTING,
    ListingQuery,
    PageRange,
    list_items,
    parse_page,
    parse_page_info,
)
from connectors.skinshark.markets import MARKETS, UNLISTED_NUMBER, catalog_folder, not_served, providers_of
from connectors.skinshark.offer_walk import OfferWalk, ReceivedPage
from connectors.skinshark.offers import COST, decode_page, route_of
from connectors.skinshark.reader import ContentHandler, Reader
from connectors.skinshark.refusals import needs_pages, refuses_market, refuses_value
from connectors.skinshark.rows import Row
from connectors.skinshark.sell_prices import MAX_ROWS, BidQuery, parse_sell_prices, read_names
from connectors.skinshark.sell_prices import ROUTE as SELL_PRICES
from connectors.skinshark.sub_users import headers_for
from connectors.tiers import limits_for

_T = TypeVar("_T")
# Handles the content of the page at a range, which the server sent at a time (UTC).
_PageHandler = Callable[[PageRange, bytes, datetime], Awaitable[PageInfo]]
_MERCHANT_ROUTE: Final = "/merchant"
_PAGE_LIMIT: Final = 500
# The whole listing is tried twice where its size may be the problem; then pages, which are smaller, with the
# usual retries.
_WHOLE_LISTING_RETRY: Final = RetryPolicy(
    failures={Outage: 2, Unavailable: 2, RequestTimeout: 2, ConnectionLost: 2}
)


class SkinShark(Connector):
    """SkinShark behind `client`; its only provider is one of `MARKETS`, its prices are in US dollars.

    `include_fees` adds the merchant's own fee to every price. `on_behalf_of` is the sub-user in whose name
    the routes are read that take one; asks are the merchant's own, and cannot be read then. `tier` sets the
    tokens per minute; "auto" means the lowest tier, because no route reports it.
    """

    def __init__(
        self,
        client: Client,
        market: str = "all",
        *,
        include_fees: bool = False,
        tier: str = "auto",
        on_behalf_of: str | None = None,
    ) -> None:
        super().__init__(client)
        self._tier = None if tier == "auto" else tier
        self._market_name = market
        self._market = MARKETS[market]
        self._market_is_proven = self._market.number is None
        self._include_fees = "true" if include_fees else "false"
        self.price_basis = "with fees" if include_fees else "without fees"
        self._reader = Reader(client, on_behalf_of)
        self._paged = False
        # The id of each name, once a listing has arrived; the lock is held while one is read.
        self._ids_by_name: dict[str, str] = {}
        self._reading_names = asyncio.Lock()
        self.provider = self._market.provider

    @property
    def catalog_folder(self) -> str:
        """Where the catalogs of the source are cached: each market has its own items and provider."""
        return catalog_folder(self.source, self._market_name)

    async def account(self) -> Account:
        """Authenticate with the cheapest route, the merchant's profile, and apply the tier's rate limit."""
        per_minute = limits_for(self._tier or "standard", kind="skinshark").per_minute
        self._client.rate_limiter.set_rate(per_minute)
        await self._reader.read(_MERCHANT_ROUTE, (), _ignore)
        return Account(
            tier=self._tier,
            requests_per_minute=per_minute,
            requests_per_month=None,
            used=None,
            expires_at=None,
            active=True,
        )

    async def items(self) -> pl.DataFrame:
        """Return the items of the listing, for sale or not, schema `ITEMS`; fetches the listing."""
        query = ListingQuery(self.source, self._market, None)
        rows: dict[int, list[Row]] = {}
        odd: dict[int, int] = {}

        async def collect(page_range: PageRange, data: bytes, _observed_at: datetime) -> PageInfo:
            decoded, info = await asyncio.to_thread(parse_page_info, query, page_range, data)
            rows[page_range.offset] = decoded.fitting
            odd[page_range.offset] = decoded.unusable
            return info

        await self._extract_listing(collect)
        unusable = sum(odd.values())
        self.odd_entries["items"] = [f"{unusable:,} rows without a usable item"] if unusable else []
        ordered = [row for offset in sorted(rows) for row in rows[offset]]
        return await asyncio.to_thread(list_items, ordered, phased=self._market.has_phases)

    async def providers(self) -> pl.DataFrame:
        """Return the one marketplace, schema `PROVIDERS`, without a request."""
        return providers_of(self._market_name)

    async def fx(self) -> pl.DataFrame:
        """Raise ConfigError: the source converts no prices."""
        raise ConfigError("prices are in US dollars only: set the currency to USD", self.source)

    async def fees(self) -> pl.DataFrame:
        """Return the merchant's fees, schema `FEES`; a fee that the asks have is none beyond them."""

        async def parse(data: bytes, _observed_at: datetime) -> pl.DataFrame:
            included = self._include_fees == "true"
            return parse_fees(data, self._market, self.source, included=included)

        return await self._reader.read(FEES_ROUTE, (), parse)

    async def extract(
        self, shard: Shard, sink: PageSink, resume_pages: Sequence[TypedPage] = ()
    ) -> ExtractResult:
        """Fetch the listing or the bids, and hand each page to `sink`; see `Connector.extract`.

        `resume_pages` cannot be used: a landed page lacks the items that were not for sale. Raises
        ConfigError for a marketplace or a currency that this source does not have, and for the asks of a
        sub-user; UnexpectedResponse where the server is not proven to list this one marketplace; and
        PaginationError, after the page is landed, where there may be more bids than one answer has.
        """
        del resume_pages
        if shard.providers != (self.provider,) or shard.currency != "USD":
            requested = f"{', '.join(shard.providers)} in {shard.currency}"
            raise ConfigError(f"the source has {self.provider} in USD, not {requested}", self.source)
        if shard.deliveries == BID_DELIVERIES:
            return await self._extract_bids(shard, sink)
        headers_for(ROUTE, self._reader.sub_user, self.source)  # raises for a sub-user, before a request
        query = ListingQuery.of(shard, self.source, self._market)

        async def land(page_range: PageRange, data: bytes, observed_at: datetime) -> PageInfo:
            info = await sink(partial(parse_page, query, page_range, data, observed_at=observed_at))
            self._ids_by_name |= await asyncio.to_thread(read_names, data)
            return info

        async with self._reading_names:
            return await self._extract_listing(land)

    async def _extract_bids(self, shard: Shard, sink: PageSink) -> ExtractResult:
        names = await self._read_names() if shard.items is None else _names_of(shard.items)
        query = BidQuery(self.source, self.provider, names, whole=shard.items is None)

        async def land(data: bytes, observed_at: datetime) -> PageInfo:
            return await sink(partial(parse_sell_prices, query, data, observed_at))

        params = [("limit", str(MAX_ROWS))]
        info = await self._reader.read(SELL_PRICES, params, land, for_sub_user=True)
        if info.total >= MAX_ROWS:
            raise PaginationError(
                f"{SELL_PRICES}: one answer has {info.total:,} bids, and there may be more: the bids of the"
                " other items are not known",
                self.source,
            )
        return ExtractResult(1, info.total, 0)

    async def _read_names(self) -> dict[str, str]:
        """Return the id of each name: of the listing that was read for the asks, or of one read here."""
        async with self._reading_names:
            if not self._ids_by_name:

                async def collect(page_range: PageRange, data: bytes, _observed_at: datetime) -> PageInfo:
                    _, info = await asyncio.to_thread(
                        parse_page_info, ListingQuery(self.source, self._market, None), page_range, data
                    )
                    self._ids_by_name |= await asyncio.to_thread(read_names, data)
                    return info

                await self._extract_listing(collect)
            return self._ids_by_name

    async def walk_listings(self, item: Item, cap: int) -> ListingWalk:
        """Read the offers of an item; see `Connector.walk_listings`. Each page takes five tokens."""
        route, name = route_of(item.item_id or ""), item.market_hash_name

        async def decode(data: bytes, observed_at: datetime) -> ReceivedPage:
            page = await asyncio.to_thread(decode_page, data, name, route=route, source=self.source)
            return ReceivedPage(page, observed_at)

        async def read_page(number: int, limit: int) -> ReceivedPage:
            params = [("page", str(number)), ("limit", str(limit))]
            return await self._reader.read(route, params, decode, for_sub_user=True, cost=COST)

        return await OfferWalk(item, cap, read_page, self.source).run()

    async def _extract_listing(self, handle: _PageHandler) -> ExtractResult:
        """Fetch the listing as one page; once that needs pages, page by page from then on."""
        await self._prove_market()
        if not self._paged:
            try:
                return await self._extract_pages(handle, WHOLE_LISTING, _WHOLE_LISTING_RETRY)
            except SourceError as error:
                if not needs_pages(error):
                    raise
                self._paged = True  # for every later extraction, which would fail in the same way
        return await self._extract_pages(handle, _PAGE_LIMIT, None)

    async def _prove_market(self) -> None:
        """Raise UnexpectedResponse unless the server refuses a marketplace that it cannot list.

        No answer says which marketplace it lists, and newer documents have no `market`: a server that ignores
        it sends the listing of all markets, whatever is asked for.
        """
        if self._market_is_proven:
            return
        try:
            await self._read_listing(1, 1, UNLISTED_NUMBER, _ignore)
        except RequestRejected as error:
            if not refuses_value(error):
                raise
            self._market_is_proven = True
        else:
            raise self._not_served("the server ignores the parameter `market`")

    async def _extract_pages(
        self, handle: _PageHandler, limit: int, retry: RetryPolicy | None
    ) -> ExtractResult:
        paginator, pages = OffsetPaginator(self.source), 0
        while offsets := paginator.next_offsets():
            requests = (self._fetch_page(PageRange(offset, limit), handle, retry) for offset in offsets)
            for info in await gather_fail_fast(*requests):
                pages += 1
                limit = info.limit
                paginator.add_page(info)
        return ExtractResult(pages, paginator.rows, paginator.rounds)

    async def _fetch_page(
        self, page_range: PageRange, handle: _PageHandler, retry: RetryPolicy | None
    ) -> PageInfo:
        limit = -1 if page_range.limit == WHOLE_LISTING else page_range.limit
        handle_content = partial(handle, page_range)
        try:
            return await self._read_listing(
                page_range.number, limit, self._market.number, handle_content, retry=retry
            )
        except RequestRejected as error:
            if self._market.number is None or not refuses_market(error, limit):
                raise
            refusal = f"the server refuses the parameter `market` ({error.code or error.status})"
            raise self._not_served(refusal) from None

    def _not_served(self, reason: str) -> UnexpectedResponse:
        error = not_served(self._market, reason, self.source)
        error.request_id = self._client.request_id
        return error

    async def _read_listing(
        self,
        page: int,
        limit: int,
        market: str | None,
        handle: ContentHandler[_T],
        *,
        retry: RetryPolicy | None = None,
    ) -> _T:
        params = [("page", str(page)), ("limit", str(limit))]
        if market is not None:
            params.append(("market", market))
        params.append(("includeFees", self._include_fees))
        return await self._reader.read(ROUTE, params, handle, retry=retry)


def _names_of(items: Sequence[Item]) -> dict[str, str]:
    """Return the id of each name; a deposit is paid by name, and there is no bid for a phase."""
    return {item.market_hash_name: item.item_id for item in items if item.item_id and item.phase is None}


async def _ignore(_data: bytes, _observed_at: datetime) -> None:
    """Accept any content: a valid envelope proves the key."""
