"""The CS2Cap connector: what its routes tell, and the walk of a shard."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final, Protocol

import polars as pl

from common.concurrency import gather_fail_fast
from common.errors import ConfigError
from common.shards import Item, SeriesShard
from connectors.base import Account, ExtractResult, HttpConnector
from connectors.cs2cap import reference_data as directory
from connectors.cs2cap.batch import BatchExtraction
from connectors.cs2cap.paged import PagedExtraction
from connectors.cs2cap.series.extraction import SeriesExtraction
from connectors.cs2cap.stream import StreamExtraction
from connectors.http.auth import Key
from connectors.http.client import Client
from connectors.pages import PageSink, TypedPage
from connectors.pagination import CursorPaginator
from connectors.series import Series, SeriesPageSink
from connectors.shards import Shard
from connectors.tiers import AUTO, limits_for

# Each counts its own starts.
STREAMS: Final = ("POST /v1/prices", "POST /v1/bids")


class _Extraction(Protocol):
    async def run(self, have: Sequence[TypedPage], /) -> ExtractResult: ...


class CS2Cap(HttpConnector):
    """CS2Cap behind `client`.

    `page_limit` is the rows to ask for in a page; without it the first page of a walk shows what the tier
    allows, because the API defaults to the tier's cap and no route tells it. A stream may take
    `stream_deadline` seconds.
    """

    def __init__(self, client: Client, page_limit: int | None = None, stream_deadline: float = 600.0) -> None:
        super().__init__(client)
        self._page_limit = page_limit
        self._stream_deadline = stream_deadline

    async def account(self) -> Account:
        """Prove the key, at no cost of the month, and keep to the limits that come with it from here on."""
        throttle = self._client.rate_limiter
        asked_at = throttle.sync_point()
        answer = await self._client.get("/v1/account/key", metered=False)
        account = directory.parse_account(answer.body, answer.headers.get("x-ratelimit-tier"), self.source)
        throttle.set_rate(account.requests_per_minute)
        throttle.sync_month(account.used, account.requests_per_month, since=asked_at)
        if starts := limits_for(AUTO, account).streams_a_day:
            for route in STREAMS:
                throttle.set_stream_limit(route, starts)
        return account

    async def reissue(self) -> Key:
        """Revoke this key and all its sub-keys at once and return the one that takes its place.

        One request, never repeated: nothing tells the new key a second time. Raises OutcomeUnknown where the
        old key may be gone and the new one did not arrive; after any other SourceError nothing has
        changed.
        """
        answer = self._client.post("/v1/account/key/reissue")
        return directory.parse_new_key((await answer).body, self.source)

    async def items(self) -> pl.DataFrame:
        """Return the whole catalog, schema `ITEMS`; without a `limit` the API sends all of it at once."""
        answer = await self._client.get("/v1/items")
        return await asyncio.to_thread(directory.parse_items, answer.body, self.source)

    async def providers(self) -> pl.DataFrame:
        """Return the marketplaces, schema `PROVIDERS`."""
        return directory.parse_providers((await self._client.get("/v1/providers")).body, self.source)

    async def fx(self) -> pl.DataFrame:
        """Return the rates, schema `FX`."""
        answer = await self._client.get("/v1/fx")
        return directory.parse_fx(answer.body, answer.server_time, self.source)

    async def extract(self, shard: Shard, land: PageSink, have: Sequence[TypedPage] = ()) -> ExtractResult:
        """Fetch every page of `shard`, handing each to `land` as it arrives; see `Connector.walk`."""
        results = await gather_fail_fast(*(walk.run(have) for walk in self._extractions(shard, land)))
        return ExtractResult(
            pages=sum(result.pages for result in results),
            rows=sum(result.rows for result in results),
            rounds=max((result.rounds for result in results), default=0),
        )

    async def extract_series(
        self,
        series: Series,
        ask: SeriesShard,
        land: SeriesPageSink,
        *,
        cursor: str | None = None,
        number: int = 0,
        providers: Mapping[str, str],
    ) -> ExtractResult:
        """Fetch what `ask` asks for, page by page, each landed by `land` before the next is asked for.

        A walk that was interrupted goes on from its last `next_cursor`, with the `number` of the page that
        comes there. `providers` maps keys and display names to keys (see `provider_keys`). Raises WalkBroken
        where a cursor repeats, goes round or is refused, with both cursors named; what the API refuses
        otherwise is RequestRejected.
        """
        paging = CursorPaginator(self.source, ask.start, cursor, number)
        walk = SeriesExtraction(
            self._client, series, ask, land, providers=providers, paging=paging, limit=self._page_limit
        )
        return await walk.run()

    def _extractions(self, shard: Shard, land: PageSink) -> Sequence[_Extraction]:
        """Turn a shard into the walks of its route: one an item, else one."""
        if shard.route == "stream":
            return [StreamExtraction(self._client, shard, land, self._stream_deadline)]
        if shard.route == "batch":
            return [BatchExtraction(self._client, shard, land)]
        if shard.route == "listing":
            raise ConfigError("CS2Cap has no route that lists everything at once", self.source)
        whole = shard.items is None or shard.route == "catalog"
        scopes: Sequence[Item | None] = (None,) if whole else shard.items or ()
        return [
            PagedExtraction(self._client, shard, place, item, land, self._page_limit)
            for place, item in enumerate(scopes)
        ]
