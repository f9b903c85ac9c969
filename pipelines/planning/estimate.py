"""What a plan needs to know of the sources, at hand or asked for: tiers, catalogs and their sizes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta

import polars as pl

from common.clock import Clock
from common.errors import ConfigError, KeyMissing, PlanForbids
from connectors.base import Account, Connector
from connectors.http.retry import RetryPolicy
from connectors.ratelimit.ledger import read_usage
from connectors.tiers import AUTO, TierLimits, limits_for
from pipelines.catalogs import CatalogCache
from pipelines.config import Settings
from pipelines.planning.baskets import BasketPlanner
from pipelines.planning.forecast import ForecastInput, SourceForecast, forecast
from pipelines.planning.schedule import frequency_of
from pipelines.source_session import SourceSession
from warehouse.paths import WarehousePaths


async def forecast_sources(
    settings: Settings, clock: Clock, *, offline: bool, tell: Callable[[str], None]
) -> list[SourceForecast]:
    """Plan and judge all baskets, by source; `tell` hears what was asked for and is paid for.

    Raises ConfigError for what is configured wrong or cannot be known, and what the connectors raise.
    """
    settings.chosen(())
    found = []
    for name in dict.fromkeys(basket.source for basket in settings.baskets):
        far = LazySource(settings, name, clock, offline=offline)
        try:
            found.append(await _forecast(settings, far, clock))
        finally:
            await far.aclose()
        if far.fetched:
            tell(
                f"{name}: asked for {', '.join(far.fetched)}, which were not at hand: {far.requests_spent} of"
                " the month"
            )
    return found


async def _forecast(settings: Settings, far: LazySource, clock: Clock) -> SourceForecast:
    home = WarehousePaths(settings.root)
    terms, used = await limits_of_source(settings, far)
    if used is None and (known := read_usage(home.state, far.source)) is not None:
        used = known.used
    catalogs = CatalogCache(home.catalog, far, clock, lifetime=timedelta.max)
    planning = BasketPlanner(settings, catalogs, terms, clock.now())
    cases = [
        await _forecast_input(settings, planning, name, clock)
        for name in (basket.name for basket in settings.baskets if basket.source == far.source)
    ]
    return forecast(far.source, cases, terms, await planning.catalog_sizes(), used)


async def _forecast_input(
    settings: Settings, planning: BasketPlanner, name: str, clock: Clock
) -> ForecastInput:
    (basket,) = settings.chosen((name,))
    rhythm, starts = frequency_of(basket, clock.now()), planning.stream_starts_left
    try:
        return ForecastInput(name, rhythm, await planning.plan_next(basket, doubt=False), starts=starts)
    except PlanForbids as error:
        return ForecastInput(name, rhythm, None, error.detail)


async def limits_of_source(settings: Settings, far: LazySource) -> tuple[TierLimits, int | None]:
    """The source's terms, and what of the month is used if the account was asked. Raises as `forecasts`."""
    source = settings.sources[far.source]
    if source.tier != AUTO:
        return limits_for(source.tier, kind=source.kind), None
    account = await far.account()
    return limits_for(AUTO, account, source.kind), account.used


class LazySource:
    """A source that is connected only when a catalog is not cached, or the account must be known.

    `fetched` names the catalogs that were fetched; `requests_spent` counts what they cost of the month.
    """

    def __init__(self, settings: Settings, source: str, clock: Clock, *, offline: bool) -> None:
        self.source = source
        self.fetched: list[str] = []
        self.requests_spent = 0
        self._offline = offline
        self._session = SourceSession(settings, source, clock, retry=RetryPolicy(attempts=2))

    async def account(self) -> Account:
        """Return the key's account, which costs nothing of the month."""
        return await (await self._connect('the account (tier = "auto")')).account()

    async def items(self) -> pl.DataFrame:
        """Return the catalog, schema `ITEMS`."""
        return await self._fetch("items", lambda connector: connector.items())

    async def providers(self) -> pl.DataFrame:
        """Return the marketplaces, schema `PROVIDERS`."""
        return await self._fetch("providers", lambda connector: connector.providers())

    async def fx(self) -> pl.DataFrame:
        """Return the exchange rates, schema `FX`."""
        return await self._fetch("exchange rates", lambda connector: connector.fx())

    async def aclose(self) -> None:
        """Close the connections, if there are any."""
        await self._session.aclose()

    async def _fetch(self, what: str, fetch: Callable[[Connector], Awaitable[pl.DataFrame]]) -> pl.DataFrame:
        connector = await self._connect(what)
        before = connector.requests
        frame = await fetch(connector)
        self.fetched.append(what)
        self.requests_spent += connector.requests - before
        return frame

    async def _connect(self, what: str) -> Connector:
        if self._offline:
            raise ConfigError(f"{self.source}: {what} would have to be asked for: leave out --offline")
        try:
            return await self._session.connect()
        except KeyMissing as error:
            raise ConfigError(f"{what} cannot be asked for: {error.detail}", self.source) from None
