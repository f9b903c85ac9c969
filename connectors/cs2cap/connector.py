"""The CS2Cap connector: the account, reference data, and the extraction of shards."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import polars as pl

from common.concurrency import gather_fail_fast
from common.errors import ConfigError
from common.shards import Item, SeriesShard
from common.text import sanitize
from connectors.base import Account, Connector, ExtractResult
from connectors.cs2cap import market_stats, reference_data
from connectors.cs2cap.account import parse_account, parse_new_key
from connectors.cs2cap.contract import BOOK_SIDES
from connectors.cs2cap.paged import PagedExtraction
from connectors.http.auth import Key
from connectors.http.client import Client
from connectors.pages import PageSink, TypedPage
from connectors.shards import Shard
from connectors.tiers import AUTO, TierLimits, limits_for, reported_limits, smallest_tier_for

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from common.clock import Clock
    from connectors.cs2cap.batch import BatchExtraction
    from connectors.cs2cap.feed import Feed, FeedScope
    from connectors.cs2cap.stream import StreamExtraction
    from connectors.series import Series, SeriesPageSink


class CS2Cap(Connector):
    """CS2Cap behind `client`.

    `page_limit` is the page size to request. Without it, the first page shows what the tier allows: the API
    defaults to the tier's maximum, which no route reports. A stream may take `stream_deadline` seconds.
    `tier` is that of an account which reports neither its tier nor its limits.
    """

    def __init__(
        self,
        client: Client,
        page_limit: int | None = None,
        *,
        stream_deadline: float = 600.0,
        tier: str = AUTO,
    ) -> None:
        super().__init__(client)
        self._tier = tier
        self._page_limit = page_limit
        self._stream_deadline = stream_deadline

    async def account(self) -> Account:
        """Authenticate, without using the month's quota, and apply the account's limits to later requests.

        A limit that the account does not report is that of its tier; of an unknown tier, no limit is applied.
        """
        rate_limiter = self._client.rate_limiter
        synced_at = rate_limiter.sync_point()
        response = await self._client.get("/v1/account/key", metered=False)
        account = parse_account(
            response.body,
            sanitize(response.headers.get("x-ratelimit-tier", ""), 40) or None,
            self.source,
            on_odd=self._collect_odd("account"),
        )
        account = self._with_own_budget(account)
        if limits := self._limits(account):
            rate_limiter.set_rate(limits.per_minute)
            rate_limiter.sync_month(account.used, limits.per_month, since=synced_at)
            for side in BOOK_SIDES.values() if limits.streams_a_day else ():
                rate_limiter.set_stream_limit(side.stream_route, limits.streams_a_day)
        return account

    def _with_own_budget(self, account: Account) -> Account:
        """Give an account whose limits make no sense the smallest tier that its usage allows, and say so."""
        odd = self.odd_entries["account"]
        if self._tier != AUTO or reported_limits(account) or not any("effective_" in each for each in odd):
            return account
        tier = smallest_tier_for(account.used or 0)
        odd.append(f"the limits of the {tier} tier count; set `tier` of this source if it has another one")
        return replace(account, tier=tier)

    def _limits(self, account: Account) -> TierLimits | None:
        """Return the limits of an account; None if neither the account nor the configuration has a tier."""
        configured = None if self._tier == AUTO else limits_for(self._tier)
        return reported_limits(account) or configured

    async def reissue(self) -> Key:
        """Revoke this key and all its sub-keys at once, and return the key that replaces it.

        The request is sent once: the API shows a new key only in this response. Raises OutcomeUnknown where
        the old key may be revoked and the new one was not received; after any other SourceError nothing has
        changed.
        """
        # no local variable holds the response: a traceback may show local variables
        request = self._client.post("/v1/account/key/reissue")
        return parse_new_key((await request).body, self.source)

    async def items(self) -> pl.DataFrame:
        """Return the whole catalog, schema `ITEMS`; without a `limit` the API sends it in one response."""
        response = await self._client.get("/v1/items")
        parse = partial(reference_data.parse_items, on_odd=self._collect_odd("items"))
        return await asyncio.to_thread(parse, response.body, self.source)

    async def providers(self) -> pl.DataFrame:
        """Return the providers, schema `PROVIDERS`."""
        response = await self._client.get("/v1/providers")
        return reference_data.parse_providers(
            response.body, self.source, on_odd=self._collect_odd("providers")
        )

    async def fx(self) -> pl.DataFrame:
        """Return the exchange rates, schema `FX`."""
        response = await self._client.get("/v1/fx")
        return reference_data.parse_fx(
            response.body,
            response.server_time,
            self.source,
            is_ahead=self._client.source_clock.is_ahead,
            on_odd=self._collect_odd("fx"),
        )

    async def market_stats(self) -> pl.DataFrame:
        """Return the figures of all items over all marketplaces, schema `MARKET_STATS`."""
        response = await self._client.get(market_stats.PATH)
        parse = partial(
            market_stats.parse_market_stats,
            is_ahead=self._client.source_clock.is_ahead,
            on_odd=self._collect_odd("market_stats"),
        )
        return await asyncio.to_thread(parse, response.body, response.server_time, self.source)

    def _collect_odd(self, name: str) -> Callable[[str], None]:
        """Return what collects the odd entries of a response that has just arrived."""
        self.odd_entries[name] = []
        return self.odd_entries[name].append

    async def extract(
        self, shard: Shard, sink: PageSink, resume_pages: Sequence[TypedPage] = ()
    ) -> ExtractResult:
        """Fetch every page of `shard` and hand each to `sink` as it arrives; see `Connector.extract`."""
        extractions = self._extractions(shard, sink)
        results = await gather_fail_fast(*(extraction.run(resume_pages) for extraction in extractions))
        return ExtractResult(
            pages=sum(result.pages for result in results),
            rows=sum(result.rows for result in results),
            rounds=max((result.rounds for result in results), default=0),
        )

    async def extract_series(
        self,
        series: Series,
        shard: SeriesShard,
        sink: SeriesPageSink,
        *,
        cursor: str | None = None,
        number: int = 0,
        providers: Mapping[str, str],
    ) -> ExtractResult:
        """Fetch `shard` of `series` page by page; `sink` lands each page before the next one is requested.

        An interrupted extraction continues from its last `next_cursor`, with the `number` of that page.
        `providers` maps keys and display names to keys (see `provider_keys_by_name`). Raises PaginationError,
        which names both cursors, where a cursor repeats, goes back in time or is rejected; RequestRejected
        for any other rejection.
        """
        # For backfills only.
        from connectors.cs2cap.series.extraction import SeriesExtraction
        from connectors.cursor_pagination import CursorPaginator

        extraction = SeriesExtraction(
            self._client,
            shard,
            sink,
            series=series,
            providers=providers,
            paginator=CursorPaginator(self.source, shard.start, cursor, number=number),
            limit=self._page_limit,
        )
        return await extraction.run()

    def open_feed(self, scope: FeedScope, clock: Clock) -> AbstractAsyncContextManager[Feed]:
        """Open a feed; see `connectors.cs2cap.feed.open_feed`."""
        from connectors.cs2cap.feed import open_feed  # for the live part only

        return open_feed(self._client, scope, clock=clock)

    def _extractions(
        self, shard: Shard, sink: PageSink
    ) -> Sequence[PagedExtraction | BatchExtraction | StreamExtraction]:
        """Return the extractions of a shard: one per item on the item route, else one."""
        # Most runs need one route, and each has modules of its own.
        if shard.route == "stream":
            from connectors.cs2cap.stream import StreamExtraction

            return [StreamExtraction(self._client, shard, sink, deadline=self._stream_deadline)]
        if shard.route == "batch":
            from connectors.cs2cap.batch import BatchExtraction

            return [BatchExtraction(self._client, shard, sink)]
        if shard.route == "listing":
            raise ConfigError("CS2Cap has no route that lists everything at once", self.source)
        listed = shard.items is None or shard.route == "catalog"
        items: Sequence[Item | None] = (None,) if listed else shard.items or ()
        limit = self._page_limit
        return [
            PagedExtraction(self._client, shard, sink, number=number, item=item, limit=limit)
            for number, item in enumerate(items)
        ]
