"""Estimate the cost of the configured schedule with the cached catalogs; fetch only the missing ones."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from datetime import timedelta

import polars as pl

from common.clock import Clock
from common.errors import ConfigError, KeyMissing, PlanForbids
from connectors.base import Account, Connector
from connectors.http.retry import UNKNOWN_SOURCE, RetryPolicy
from connectors.ratelimit.ledger import read_usage
from connectors.skinshark.markets import providers_of
from connectors.tiers import AUTO, TIERLESS, TierLimits, limits_for
from pipelines.catalogs import CatalogCache
from pipelines.config import BasketSettings, Settings, SkinsharkSettings
from pipelines.planning.baskets import BasketPlanner
from pipelines.planning.forecast import ForecastInput, SourceForecast, forecast
from pipelines.planning.quota import usage_report
from pipelines.planning.schedule import frequency_of
from pipelines.source_session import SourceSession
from pipelines.sources import catalog_folder_of
from warehouse.state.database import open_state


async def forecast_sources(
    settings: Settings, clock: Clock, *, offline: bool, on_request: Callable[[str], None]
) -> list[SourceForecast]:
    """Return the forecast of every source with all its baskets; `on_request` receives the paid fetches.

    Raises ConfigError for a wrong configuration, and for missing data if `offline`; raises what the
    connectors raise.
    """
    settings.select_baskets(())
    forecasts = []
    for name in dict.fromkeys(basket.source for basket in settings.baskets):
        async with aclosing(LazySource(settings, name, clock, offline=offline)) as source:
            forecasts.append(await _forecast(settings, source, clock))
        if source.fetched:
            on_request(source.describe_fetches())
    return forecasts


async def _forecast(settings: Settings, source: LazySource, clock: Clock) -> SourceForecast:
    paths = settings.paths
    limits, used = await limits_of_source(settings, source)
    if used is None and (stored := read_usage(open_state(paths), source.source)) is not None:
        used = usage_report(source.source, stored, clock.now()).used
    catalogs = CatalogCache(paths.catalog, source, clock, lifetime=timedelta.max, must_store=False)
    planner = BasketPlanner(settings, catalogs, limits, clock.now())
    inputs = [
        await _forecast_input(planner, basket, clock)
        for basket in settings.baskets
        if basket.source == source.source
    ]
    return forecast(
        source.source,
        inputs,
        limits,
        sizes=await planner.catalog_sizes(),
        used=used,
        market_stats=settings.market_stats_every.get(source.source),
    )


async def _forecast_input(planner: BasketPlanner, basket: BasketSettings, clock: Clock) -> ForecastInput:
    frequency, stream_starts = frequency_of(basket, clock.now()), planner.stream_starts_left
    try:
        planned = await planner.plan_next(basket, refresh=False)
    except PlanForbids as error:
        return ForecastInput(basket.name, frequency, None, problem=error.detail)
    return ForecastInput(basket.name, frequency, planned, stream_starts=stream_starts)


async def limits_of_source(settings: Settings, source: LazySource) -> tuple[TierLimits, int | None]:
    """Return the limits of a source, and the month's usage if the account was requested.

    The account is requested only for tier "auto", and only where it reports the tier. Raises as
    `forecast_sources`.
    """
    configured = settings.sources[source.source]
    if configured.tier != AUTO or configured.kind in TIERLESS:
        return limits_for(configured.tier, kind=configured.kind), None
    account = await source.account()
    return limits_for(AUTO, account, configured.kind, source=source.source), account.used


class NotCached(ConfigError):
    """What is not cached needs a request, which the user does not allow."""


class LazySource:
    """A source that is connected only when a catalog is not cached, or the account must be known.

    `fetched` names the catalogs that were fetched; `requests_spent` counts what they cost of the month.
    """

    def __init__(self, settings: Settings, source: str, clock: Clock, *, offline: bool) -> None:
        self.source = source
        self.fetched: list[str] = []
        self.requests_spent = 0
        self._offline = offline
        # A person waits for the result.
        retry = RetryPolicy(attempts=2, first_failures=UNKNOWN_SOURCE)
        self._session = SourceSession(settings, source, clock, retry=retry, must_share=False)

    @property
    def catalog_folder(self) -> str:
        """Where its catalogs are cached; see `Connector`."""
        return catalog_folder_of(self.source, self._session.source)

    @property
    def odd_entries(self) -> Mapping[str, Sequence[str]]:
        """What could not be read in each catalog that was fetched."""
        return self._session.connector.odd_entries if self.fetched else {}

    async def account(self) -> Account:
        """Return the key's account, which costs nothing of the month."""
        return await (await self._connect('the account (tier = "auto")')).account()

    async def items(self) -> pl.DataFrame:
        """Return the catalog, schema `ITEMS`."""
        return await self._fetch("items", lambda connector: connector.items())

    async def providers(self) -> pl.DataFrame:
        """Return the marketplaces, schema `PROVIDERS`; SkinShark's are known without a request."""
        if isinstance(self._session.source, SkinsharkSettings):
            return providers_of(self._session.source.market)
        return await self._fetch("providers", lambda connector: connector.providers())

    async def fx(self) -> pl.DataFrame:
        """Return the exchange rates, schema `FX`."""
        return await self._fetch("exchange rates", lambda connector: connector.fx())

    def describe_fetches(self) -> str:
        """Return a message that says what was fetched, and at what cost."""
        fetched = f"{self.source}: fetched {', '.join(self.fetched)}, which were not cached"
        return f"{fetched}: {self.requests_spent} of the month's requests"

    async def aclose(self) -> None:
        """Close the connections, if there are any."""
        await self._session.aclose()

    async def _fetch(self, what: str, fetch: Callable[[Connector], Awaitable[pl.DataFrame]]) -> pl.DataFrame:
        connector = await self._connect(f"the catalog of {what}")
        before = connector.requests
        frame = await fetch(connector)
        self.fetched.append(what)
        self.requests_spent += connector.requests - before
        return frame

    async def _connect(self, what: str) -> Connector:
        if self._offline:
            raise NotCached(
                f"{what} is not cached and needs a request, which --offline and --dry-run do not send;"
                " `floorline plan` without --offline does",
                self.source,
            )
        try:
            return await self._session.connect()
        except KeyMissing as error:
            raise ConfigError(f"{what} cannot be fetched: {error.detail}", self.source) from None
