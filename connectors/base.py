"""What every connector offers to the flows: an account, dimensions, and the walk of one shard."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from connectors.http.client import Client
from connectors.pages import PageSink, TypedPage

if TYPE_CHECKING:
    import polars as pl

    from connectors.ratelimit.limiter import RateLimiter
    from connectors.shards import Shard


@dataclass(frozen=True, slots=True)
class Account:
    """What a source says about the key: its limits, what of them is used, and until when (UTC) it holds.

    A key that is not `root` is a sub-key: it cannot be issued anew by itself.
    """

    tier: str | None
    requests_per_minute: int | None
    requests_per_month: int | None
    used: int | None
    expires_at: datetime | None
    active: bool
    root: bool = True


@dataclass(frozen=True, slots=True)
class ExtractResult:
    """What a finished walk came to: pages fetched, distinct rows, and rounds of walking pages again."""

    pages: int
    rows: int
    rounds: int


class Connector(Protocol):
    """One source, authenticated and paced. Every method but `aclose` raises FloorlineErrors."""

    @property
    def source(self) -> str:
        """The configured name of the source."""
        ...

    @property
    def requests(self) -> int:
        """Requests sent so far, retries included."""
        ...

    @property
    def request_id(self) -> str:
        """The source's own id of the last request that it answered; empty where it gives none."""
        ...

    @property
    def quota_remaining(self) -> int | None:
        """Requests left in the month, if the source has told."""
        ...

    @property
    def rate_limiter(self) -> RateLimiter:
        """The budget of the key: its pace, its month and its stream starts."""
        ...

    async def account(self) -> Account:
        """Prove the key and learn its limits, at no cost where the source allows it."""
        ...

    async def items(self) -> pl.DataFrame:
        """Return the source's catalog, schema `ITEMS`."""
        ...

    async def providers(self) -> pl.DataFrame:
        """Return the marketplaces behind the source, schema `PROVIDERS`."""
        ...

    async def fx(self) -> pl.DataFrame:
        """Return the rates with which the source converts, schema `FX`."""
        ...

    async def extract(self, shard: Shard, land: PageSink, have: Sequence[TypedPage] = ()) -> ExtractResult:
        """Fetch every page of `shard`, handing each to `land` as it arrives.

        `have` are pages that an earlier, interrupted walk of the same shard has landed; they are landed again
        instead of being fetched. Raises WalkBroken where the pages cannot be reconciled.
        """
        ...

    async def aclose(self) -> None:
        """Close the connections."""
        ...


class HttpConnector:
    """A source behind `client`; see `connectors.base.Connector`."""

    def __init__(self, client: Client) -> None:
        self._client = client

    @property
    def source(self) -> str:
        """The configured name of the source."""
        return self._client.source

    @property
    def requests(self) -> int:
        """Requests sent so far, retries included."""
        return self._client.requests

    @property
    def request_id(self) -> str:
        """The source's own id of the last request that it answered, where it gives such."""
        return self._client.request_id

    @property
    def quota_remaining(self) -> int | None:
        """Requests left in the month, as far as the source has told of one."""
        return self._client.quota_remaining

    @property
    def rate_limiter(self) -> RateLimiter:
        """The budget of the key: its pace, its month and its stream starts."""
        return self._client.rate_limiter

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()
