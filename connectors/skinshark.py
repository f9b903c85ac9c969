"""The SkinShark connector: a merchant's price listing, in one request where the source allows it."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from datetime import datetime
from functools import partial
from typing import Final, TypeVar

import polars as pl

from connectors.base import Account, Land, Outcome, Page
from connectors.behind import BehindClient
from connectors.client import Client, Read
from connectors.errors import ConfigError, FloorlineError, RequestRejected, Transient, foremost
from connectors.frames import PROVIDERS
from connectors.inflate import Inflate
from connectors.paging import OffsetWalk, Sheet
from connectors.plan import Shard
from connectors.retry import RetryPolicy
from connectors.skinshark_errors import unwrap
from connectors.skinshark_page import EVERYTHING, Place, Question, items_of, read_page, read_sheet
from connectors.skinshark_rows import ROUTE, Row
from connectors.terms import terms_of

_T = TypeVar("_T")
# Asks for the page at a place, and makes something of its content, which the server sent at a moment (UTC).
Make = Callable[[Place, bytes, datetime], Awaitable[Sheet]]

MERCHANT: Final = "/merchant"
LARGEST_PAGE: Final = 500
# The documentation says that listing routes cost 5, and not whether this is one: too slow never earns a 429.
COST: Final = 5
# Asked for twice; then pages, which are smaller and get the patience of any other request.
TWICE: Final = RetryPolicy(attempts=2)
# What each marketplace is called here (two as CS2Cap calls them), by the API, and by people.
MARKETS: Final = {
    "all": ("skinshark", "0", "SkinShark"),
    "c5": ("c5", "3", "C5Game"),
    "ecosteam": ("ecosteam", "4", "ECOSteam"),
}


class SkinShark(BehindClient):
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
        terms = terms_of("standard" if self._tier == "auto" else self._tier, kind="skinshark")
        self._client.throttle.pace(terms.per_minute)
        await self._client.read(MERCHANT, (), self._unwrapped(MERCHANT, _nothing), metered=False)
        tier = None if self._tier == "auto" else self._tier
        return Account(tier, terms.per_minute, None, None, None, active=True)

    async def items(self) -> pl.DataFrame:
        """Return the items of the listing, for sale or not, schema `ITEMS`; it costs what a listing does."""
        rows: dict[int, tuple[Row, ...]] = {}

        async def keep(place: Place, data: bytes, _moment: datetime) -> Sheet:
            listing, sheet = await asyncio.to_thread(read_sheet, place, data, self.source)
            rows[place.offset] = listing.rows
            return sheet

        await self._listed(keep)
        listed = [row for offset in sorted(rows) for row in rows[offset]]
        return await asyncio.to_thread(items_of, listed, phased=self._market != "c5")

    async def providers(self) -> pl.DataFrame:
        """Return the one marketplace, schema `PROVIDERS`; nothing is asked for it."""
        told = {"provider": self.provider, "name": self._name, "default_currency": "USD"}
        known = {"has_buy_orders": False, "has_recent_sales": False}
        columns = {name: [{**told, **known}.get(name)] for name in PROVIDERS}
        return pl.DataFrame(columns, schema=PROVIDERS)

    async def fx(self) -> pl.DataFrame:
        """Raise ConfigError: the source converts nothing."""
        raise ConfigError("prices are in US dollars only: ask for USD", self.source)

    async def walk(self, shard: Shard, land: Land, have: Sequence[Page] = ()) -> Outcome:
        """Fetch the listing, handing each page to `land` as it arrives; see `Connector.walk`.

        `have` is of no use: a landed page does not tell the items that were not for sale. Raises ConfigError
        for a marketplace or a currency that is not this source's.
        """
        del have
        if shard.providers != (self.provider,) or shard.currency != "USD":
            told = f"{', '.join(shard.providers)} in {shard.currency}"
            raise ConfigError(f"the source has {self.provider} in USD, not {told}", self.source)
        question = Question.of(shard, self.source)

        async def landed(place: Place, data: bytes, moment: datetime) -> Sheet:
            return await land(partial(read_page, question, place, data, moment))

        return await self._listed(landed)

    async def _listed(self, make: Make) -> Outcome:
        """Walk the listing in one page; in pages where that does not come through, from then on."""
        if not self._paged:
            try:
                return await self._walked(make, EVERYTHING, TWICE)
            except (RequestRejected, Transient):
                self._paged = True
        return await self._walked(make, LARGEST_PAGE, None)

    async def _walked(self, make: Make, limit: int, retry: RetryPolicy | None) -> Outcome:
        paging, pages = OffsetWalk(self.source), 0
        while offsets := paging.wanted():
            for sheet in await _all(self._page(Place(offset, limit), make, retry) for offset in offsets):
                pages += 1
                limit = sheet.limit
                paging.accept(sheet)
        return Outcome(pages, paging.rows, paging.rounds)

    async def _page(self, place: Place, make: Make, retry: RetryPolicy | None) -> Sheet:
        limit = "-1" if place.limit == EVERYTHING else str(place.limit)
        params = [("page", str(place.page)), ("limit", limit)]
        params += [("market", self._number), ("includeFees", self._fees)]
        read = self._unwrapped(ROUTE, partial(make, place))
        answer = await self._client.read(ROUTE, params, read, cost=COST, metered=False, retry=retry)
        return answer.body

    def _unwrapped(self, route: str, use: Callable[[bytes, datetime], Awaitable[_T]]) -> Read[_T]:
        """Let `use` have what an envelope holds, and keep its request's id, with an error of `use` too."""

        async def read(inflate: Inflate, moment: datetime) -> _T:
            content = await asyncio.to_thread(lambda: unwrap(inflate(), route, self.source))
            self._client.request_id = content.request_id
            try:
                return await use(content.data, moment)
            except FloorlineError as error:
                error.request_id = error.request_id or content.request_id
                raise

        return read


async def _nothing(_data: bytes, _moment: datetime) -> None:
    """That there was an envelope is enough."""


async def _all(pages: Iterable[Coroutine[None, None, Sheet]]) -> list[Sheet]:
    """Wait for every page; raises what is gravest of that which went wrong."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(page) for page in pages]
    except BaseExceptionGroup as failures:
        failure = foremost(failures)
    else:
        return [task.result() for task in tasks]
    raise failure
