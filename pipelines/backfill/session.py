"""The one source of a backfill: its key proven, its catalogs at hand, its budget shared with every run."""

from __future__ import annotations

from datetime import timedelta

import polars as pl

from common.clock import Clock
from common.errors import ConfigError
from connectors.base import Account
from connectors.cs2cap.connector import CS2Cap
from connectors.http.auth import Key
from connectors.tiers import TierLimits, limits_for
from pipelines.alerts.auth_breaker import AuthBreaker
from pipelines.catalogs import CatalogCache
from pipelines.config import Settings
from pipelines.sources import authenticate_with_failover, build_connector
from warehouse.paths import WarehousePaths


def resolve_source(settings: Settings, name: str | None) -> str:
    """The source to ask: the one called so, or the only one that keeps a past. Raises ConfigError."""
    able = [known for known, source in settings.sources.items() if source.kind == "cs2cap"]
    if name is not None and name not in settings.sources:
        raise ConfigError(f"no source is called {name}; there is {', '.join(settings.sources) or 'none'}")
    if name is not None and name not in able:
        raise ConfigError(f"{name} tells nothing of the past; {', '.join(able) or 'no source'} does")
    if name is not None:
        return name
    if len(able) != 1:
        found = ", ".join(able) or "none"
        raise ConfigError(f"say which source to ask (--source): of those that keep a past there is {found}")
    return able[0]


class BackfillSession:
    """A source that can be asked for its past, once `open` has had its key accepted."""

    def __init__(self, settings: Settings, name: str, alarm: AuthBreaker, clock: Clock) -> None:
        self.name = name
        self.home = WarehousePaths(settings.root)
        self.key: Key | None = None
        self.refused = False  # by the breaker: the source was not asked
        self._settings = settings
        self._alarm = alarm
        self._clock = clock
        self._connector: CS2Cap | None = None
        self._free = 0

    @property
    def connector(self) -> CS2Cap:
        """The connector, once it is open."""
        assert self._connector is not None  # noqa: S101 - as opened before; for the type checker
        return self._connector

    @property
    def requests(self) -> int:
        """Requests sent so far that count in the month."""
        return 0 if self._connector is None else self._connector.requests - self._free

    @property
    def quota_left(self) -> int | None:
        """Requests left of the month, as far as is known."""
        return None if self._connector is None else self._connector.quota_remaining

    @property
    def key_tail(self) -> str:
        """The last characters of the key, if it is known and long enough to show them."""
        return self.key.tail if self.key is not None else ""

    async def open(self, budget: int | None = None) -> TierLimits:
        """Prove the key, which costs nothing, and allow `budget` requests; what the account includes.

        Raises what the connector raises, and the rejection of this key that still holds.
        """
        source = self._settings.sources[self.name]
        account = await authenticate_with_failover(
            self.name, source, self._settings.base, self._alarm, self._prove
        )
        self._free = self.connector.requests
        if budget is not None:
            self.connector.rate_limiter.set_budget(budget)
        return limits_for(source.tier, account, source.kind)

    def catalogs(self, *, offline: bool = False) -> CatalogCache:
        """The catalogs as they are cached; those that are missing are asked for, unless `offline`."""
        if offline:
            return CatalogCache(self.home.catalog, CachedOnly(self.name), self._clock, lifetime=timedelta.max)
        return CatalogCache(self.home.catalog, self.connector, self._clock)

    async def aclose(self) -> None:
        """Close the connections, if there are any."""
        if self._connector is not None:
            await self._connector.aclose()

    async def _prove(self, key: Key) -> Account:
        self.key, self.refused = key, True
        self._alarm.check(self.name, key)
        self.refused = False
        await self.aclose()
        source = self._settings.sources[self.name]
        connector = build_connector(self.name, source, key, self._clock, state=self.home.state)
        assert isinstance(connector, CS2Cap)  # noqa: S101 - by its kind, as source_named has seen to
        self._connector = connector
        account = await connector.account()
        self._alarm.reset(self.name)
        return account


class CachedOnly:
    """Stands for a source that must not be asked: what is not cached is not known."""

    def __init__(self, source: str) -> None:
        self.source = source

    async def items(self) -> pl.DataFrame:
        """Raises ConfigError."""
        raise self._missing("items")

    async def providers(self) -> pl.DataFrame:
        """Raises ConfigError."""
        raise self._missing("marketplaces")

    async def fx(self) -> pl.DataFrame:
        """Raises ConfigError."""
        raise self._missing("exchange rates")

    def _missing(self, what: str) -> ConfigError:
        return ConfigError(
            f"the catalog of {what} is not at hand and costs a request, which --dry-run does not spend;"
            " `floorline plan` asks for it, and so does any run",
            self.source,
        )
