"""One configured source during a command: its key, its connector, its account's limits and its catalogs."""

from __future__ import annotations

from functools import cached_property
from typing import Self

from common.clock import Clock
from common.errors import KeyInvalid, KeyRevoked
from connectors.base import Account, Connector
from connectors.http.auth import Key
from connectors.http.retry import UNKNOWN_SOURCE, RetryPolicy
from connectors.tiers import TierLimits, limits_for
from pipelines.alerts.auth_breaker import AuthBreaker
from pipelines.catalogs import CatalogCache
from pipelines.config import Settings
from pipelines.results import CatalogReport
from pipelines.sources import build_connector, catalog_folder_of, next_key, resolve_key, shared_ledger


class SourceSession:
    """A session with one source: `open` it for a run, or `connect` for its account and its catalogs only.

    Unless it `must_share` the limits of its key, it works where the state database cannot be written, too.

    `key_spec` says where the key is, if not where the source's `key` points. `key` is the key of the last
    attempt. `blocked_by_breaker` is true if the breaker rejected that key, so that no request was sent.
    `requests_at_open` counts the requests that authentication took: they cost no quota.
    `market_stats_every` is the interval at which a snapshot reads the market figures, None for never.
    """

    def __init__(
        self,
        settings: Settings,
        name: str,
        clock: Clock,
        *,
        key_spec: str | None = None,
        retry: RetryPolicy | None = None,
        must_share: bool = True,
    ) -> None:
        self.name = name
        self.source = settings.sources[name]
        self.market_stats_every = settings.market_stats_every.get(name)
        self.key: Key | None = None
        self.blocked_by_breaker = False
        self.requests_at_open = 0
        self._key_spec = key_spec or self.source.key
        self._base = settings.base
        self._paths = settings.paths
        self._clock = clock
        self._retry = retry
        self._must_share = must_share
        self._connector: Connector | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections, if there are any."""
        if self._connector is not None:
            await self._connector.aclose()

    @property
    def connector(self) -> Connector:
        """The connector. Raises RuntimeError before `open` or `connect`."""
        if self._connector is None:
            raise RuntimeError(f"the session with {self.name} is not open")
        return self._connector

    @cached_property
    def catalogs(self) -> CatalogCache:
        """The source's catalogs, cached on disk."""
        return CatalogCache(self._paths.catalog, self.connector, self._clock)

    def take_catalog_reports(self) -> tuple[CatalogReport, ...]:
        """Return what was wrong with the catalogs and the account since the last call; none before `open`."""
        if self._connector is None:
            return ()
        reports = self.catalogs.reports
        taken = tuple(reports.values())
        reports.clear()
        if (odd := self._connector.odd_entries.pop("account", None)) is not None:
            odd_quota = self._connector.odd_quota
            taken += (
                CatalogReport("account", odd=tuple(odd)),
                CatalogReport("quota", odd=() if odd_quota is None else (odd_quota,)),
            )
        return taken

    @property
    def requests_sent(self) -> int:
        """All requests that the current connector has sent, those of the authentication included."""
        return 0 if self._connector is None else self._connector.requests

    @property
    def quota_remaining(self) -> int | None:
        """Requests left in the month; None if unknown."""
        return None if self._connector is None else self._connector.quota_remaining

    @property
    def clock_skew(self) -> float | None:
        """How many seconds the source's clock is ahead of ours (negative: behind); None if unknown."""
        skew = None if self._connector is None else self._connector.clock_skew
        return None if skew is None else skew.total_seconds()

    @property
    def key_tail(self) -> str:
        """The last characters of the key; empty if the key is unknown or too short to show them."""
        return "" if self.key is None else self.key.tail

    async def connect(self) -> Connector:
        """Return the connector; build it on the first call, with the key that is configured now.

        Raises KeyMissing, KeyInvalid, ConfigError and WarehouseError.
        """
        if self._connector is None:
            self._build_connector(await resolve_key(self.name, self._key_spec, self._base))
        return self.connector

    async def open(self, breaker: AuthBreaker) -> TierLimits:
        """Authenticate, with the next key if the first was revoked; return the limits of the account.

        A first key that was rejected for good is skipped until it changes or its alert is cleared. Raises
        what the connector raises, and the AuthRejected that is still active for the key.
        """
        account = await self._authenticate_with_failover(breaker)
        self.requests_at_open = self.connector.requests
        return limits_for(self.source.tier, account, self.source.kind, source=self.name)

    async def _authenticate_with_failover(self, breaker: AuthBreaker) -> Account:
        first = await resolve_key(self.name, self._key_spec, self._base)
        following = await next_key(self.name, self.source, self._base)
        if following is None or following.fingerprint == first.fingerprint:
            account = await self._authenticate(first, breaker)
        elif breaker.is_superseded(self.name, first):
            return await self._authenticate(following, breaker)
        else:
            try:
                account = await self._authenticate(first, breaker)
            except (KeyRevoked, KeyInvalid) as error:
                await breaker.record_failover(self.name, first, following, error)
                return await self._authenticate(following, breaker)
        breaker.clear_failover(self.name)
        return account

    async def _authenticate(self, key: Key, breaker: AuthBreaker) -> Account:
        self.key, self.blocked_by_breaker = key, True
        breaker.check(self.name, key)  # raises for a rejected key, before any request
        self.blocked_by_breaker = False
        await self.aclose()  # the connector with the key before this one
        self._build_connector(key)
        account = await self.connector.account()
        breaker.reset(self.name)
        return account

    def _build_connector(self, key: Key) -> None:
        self.key = key
        ledger = shared_ledger(self._paths, key, self.name, required=self._must_share)
        # A source that answered before has its catalogs here: what fails now may pass.
        known = (self._paths.catalog / catalog_folder_of(self.name, self.source)).is_dir()
        retry = self._retry or RetryPolicy(first_failures={} if known else UNKNOWN_SOURCE)
        self._connector = build_connector(
            self.name, self.source, key, self._clock, ledger=ledger, retry=retry
        )
