"""The base class of connectors: what every source offers to the pipelines."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from common.errors import PlanForbids
from connectors.http.client import Client
from connectors.pages import PageSink, TypedPage

if TYPE_CHECKING:
    import polars as pl

    from common.shards import Item
    from connectors.listings import ListingWalk

from connectors.ratelimit.limiter import RateLimiter
from connectors.shards import Shard

# What an odd entry of a catalog says that is not in the catalog at all.
LEFT_OUT: Final = "left out: "


@dataclass(frozen=True, slots=True)
class Account:
    """What a source reports of a key: its tier and limits, the requests `used`, its expiry (UTC).

    A key that is not `root` is a sub-key, which cannot be reissued by itself.
    """

    tier: str | None
    requests_per_minute: int | None
    requests_per_month: int | None
    used: int | None
    expires_at: datetime | None
    active: bool
    root: bool = True


class ExtractResult(Struct, frozen=True):
    """A finished extraction: pages fetched, distinct rows, and rounds in which pages were fetched again."""

    pages: int
    rows: int
    rounds: int


class Connector(ABC):
    """A source behind an HTTP client. Every method but `aclose` raises SourceErrors.

    `price_basis` names what prices have of the fees of the source's own account; empty where it has none.
    """

    price_basis = ""

    def __init__(self, client: Client) -> None:
        self._client = client
        # What could not be read of the account and of each catalog, by name, since it was fetched last.
        self.odd_entries: dict[str, list[str]] = {}

    @property
    def source(self) -> str:
        """The configured name of the source."""
        return self._client.source

    @property
    def catalog_folder(self) -> str:
        """Where the catalogs of the source are cached, a relative path that begins with its name."""
        return self.source

    @property
    def requests(self) -> int:
        """The requests sent so far, retries included."""
        return self._client.requests

    @property
    def request_id(self) -> str:
        """The API's own id of the last answered request; empty where the API gives none."""
        return self._client.request_id

    @property
    def quota_remaining(self) -> int | None:
        """The requests left in the month, if the source has reported them."""
        return self._client.quota_remaining

    @property
    def odd_quota(self) -> str | None:
        """The first quota header of the source that made no sense, and was ignored; None if all did."""
        return self._client.odd_quota

    @property
    def clock_skew(self) -> timedelta | None:
        """How far the source's clock is ahead of ours (negative: behind), if the source sent a time."""
        return self._client.source_clock.skew

    @property
    def rate_limiter(self) -> RateLimiter:
        """The rate limiter of the key."""
        return self._client.rate_limiter

    @abstractmethod
    async def account(self) -> Account:
        """Verify the key and apply its limits, without metered requests where the source allows it."""

    @abstractmethod
    async def items(self) -> pl.DataFrame:
        """Return the source's catalog, schema `ITEMS`."""

    @abstractmethod
    async def providers(self) -> pl.DataFrame:
        """Return the marketplaces behind the source, schema `PROVIDERS`."""

    @abstractmethod
    async def fx(self) -> pl.DataFrame:
        """Return the exchange rates of the source, schema `FX`."""

    async def market_stats(self) -> pl.DataFrame:
        """Return the figures of all items over all marketplaces, schema `MARKET_STATS`."""
        raise PlanForbids("this API has no market figures", self.source)

    async def fees(self) -> pl.DataFrame:
        """Return the fees of the source's own account, schema `FEES`."""
        raise PlanForbids("this API has no fees of the account", self.source)

    async def walk_listings(self, item: Item, cap: int) -> ListingWalk:
        """Read the offers of single copies of an item, the cheapest first, up to about `cap` of them.

        A walk that fails after its first page is an interrupted one. Raises what the client raises for the
        first page, and the errors that end every request of the source.
        """
        del item, cap
        raise PlanForbids("this API lists no single offers", self.source)

    @abstractmethod
    async def extract(
        self, shard: Shard, sink: PageSink, resume_pages: Sequence[TypedPage] = ()
    ) -> ExtractResult:
        """Fetch every page of `shard` and hand each to `sink` as it arrives.

        `resume_pages` were landed by an interrupted extraction of the same shard; they are landed again
        instead of being fetched. Raises PaginationError where the pages do not add up to a listing.
        """

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()
