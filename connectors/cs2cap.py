"""The CS2Cap connector: what its routes tell, and the walk of a shard."""

import asyncio
from collections.abc import Sequence

import polars as pl

from connectors import cs2cap_directory as directory
from connectors.auth import Key
from connectors.base import Account, Land, Outcome, Page
from connectors.client import Client
from connectors.cs2cap_walk import PricesWalk
from connectors.errors import AuthRejected, QuotaExhausted, leaves
from connectors.plan import Item, Shard


class CS2Cap:
    """CS2Cap behind `client`.

    `page_limit` is the rows to ask for in a page; without it the first page of a walk shows what the tier
    allows, because the API defaults to the tier's cap and no route tells it.
    """

    def __init__(self, client: Client, page_limit: int | None = None) -> None:
        self._client = client
        self._page_limit = page_limit
        self._left: int | None = None
        self._sent_before = 0

    @property
    def source(self) -> str:
        """The configured name of the source."""
        return self._client.source

    @property
    def requests(self) -> int:
        """Requests sent so far, retries included."""
        return self._client.requests

    @property
    def quota_remaining(self) -> int | None:
        """Requests left in the month, by the headers, or else by the account, less those sent since."""
        if self._client.quota_remaining is not None or self._left is None:
            return self._client.quota_remaining
        return max(self._left - (self.requests - self._sent_before), 0)

    async def account(self) -> Account:
        """Prove the key, at no cost of the month, and keep to the limits that come with it from here on."""
        answer = await self._client.get("/v1/account/key")
        account = directory.read_account(answer.body, answer.headers.get("x-ratelimit-tier"), self.source)
        self._client.throttle.pace(account.requests_per_minute)
        self._client.monthly_quota = account.requests_per_month
        if account.requests_per_month is not None and account.used is not None:
            self._left = max(account.requests_per_month - account.used, 0)
            self._sent_before = self.requests
        return account

    async def reissue(self) -> Key:
        """Revoke this key and all its sub-keys at once and return the one that takes its place.

        One request, never repeated: nothing tells the new key a second time. Raises OutcomeUnknown where the
        old key may be gone and the new one did not arrive; after any other FloorlineError nothing has
        changed.
        """
        answer = self._client.post("/v1/account/key/reissue")
        return directory.read_new_key((await answer).body, self.source)

    async def items(self) -> pl.DataFrame:
        """Return the whole catalog, schema `ITEMS`; without a `limit` the API sends all of it at once."""
        answer = await self._client.get("/v1/items")
        return await asyncio.to_thread(directory.read_items, answer.body, self.source)

    async def providers(self) -> pl.DataFrame:
        """Return the marketplaces, schema `PROVIDERS`."""
        return directory.read_providers((await self._client.get("/v1/providers")).body, self.source)

    async def fx(self) -> pl.DataFrame:
        """Return the rates, schema `FX`."""
        answer = await self._client.get("/v1/fx")
        return directory.read_fx(answer.body, answer.moment, self.source)

    async def walk(self, shard: Shard, land: Land, have: Sequence[Page] = ()) -> Outcome:
        """Fetch every page of `shard`, handing each to `land` as it arrives; see `Connector.walk`."""
        scopes: Sequence[Item | None] = (None,) if shard.items is None else shard.items
        walks = [
            PricesWalk(self._client, shard, place, item, land, self._page_limit)
            for place, item in enumerate(scopes)
        ]
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(walk.run(have)) for walk in walks]
        except BaseExceptionGroup as failures:
            failure = _foremost(failures)
        else:
            return _sum([task.result() for task in tasks])
        raise failure

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()


def _sum(outcomes: Sequence[Outcome]) -> Outcome:
    return Outcome(
        pages=sum(outcome.pages for outcome in outcomes),
        rows=sum(outcome.rows for outcome in outcomes),
        rounds=max((outcome.rounds for outcome in outcomes), default=0),
    )


def _foremost(failures: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return the failure that says most about what to do: a rejected key before all others."""
    known = list(leaves(failures))
    gravest = (leaf for kind in (AuthRejected, QuotaExhausted) for leaf in known if isinstance(leaf, kind))
    return next(gravest, known[0])
