"""What a plan needs to know of the sources, at hand or asked for: tiers, catalogs and their sizes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta

import polars as pl

from connectors.base import Account, Connector
from connectors.clock import Clock
from connectors.errors import ConfigError, KeyMissing, PlanForbids
from connectors.retry import RetryPolicy
from connectors.terms import AUTO, Terms, terms_of
from flows.baskets import Planning
from flows.catalogs import Catalogs
from flows.config import Settings
from flows.plan_forecast import Case, SourceForecast, forecast
from flows.rhythm import rhythm_of
from flows.sources import connect, find_key
from warehouse.budget import usage_of
from warehouse.home import Home


async def forecasts(
    settings: Settings, clock: Clock, *, offline: bool, tell: Callable[[str], None]
) -> list[SourceForecast]:
    """Plan and judge all baskets, by source; `tell` hears what was asked for and is paid for.

    Raises ConfigError for what is configured wrong or cannot be known, and what the connectors raise.
    """
    settings.chosen(())
    found = []
    for name in dict.fromkeys(basket.source for basket in settings.baskets):
        far = Far(settings, name, clock, offline=offline)
        try:
            found.append(await _forecast(settings, far, clock))
        finally:
            await far.aclose()
        if far.asked:
            tell(
                f"{name}: asked for {', '.join(far.asked)}, which were not at hand: {far.spent} of the month"
            )
    return found


async def _forecast(settings: Settings, far: Far, clock: Clock) -> SourceForecast:
    home = Home(settings.root)
    terms, used = await terms_of_source(settings, far)
    if used is None and (known := usage_of(home.state, far.source)) is not None:
        used = known.used
    catalogs = Catalogs(home.catalog, far, clock, lifetime=timedelta.max)
    planning = Planning(settings, catalogs, terms, clock.now())
    cases = [
        await _case(settings, planning, name, clock)
        for name in (basket.name for basket in settings.baskets if basket.source == far.source)
    ]
    return forecast(far.source, cases, terms, await planning.sizes(), used)


async def _case(settings: Settings, planning: Planning, name: str, clock: Clock) -> Case:
    (basket,) = settings.chosen((name,))
    rhythm, starts = rhythm_of(basket, clock.now()), planning.starts
    try:
        return Case(name, rhythm, await planning.next(basket, doubt=False), starts=starts)
    except PlanForbids as error:
        return Case(name, rhythm, None, error.detail)


async def terms_of_source(settings: Settings, far: Far) -> tuple[Terms, int | None]:
    """The source's terms, and what of the month is used if the account was asked. Raises as `forecasts`."""
    source = settings.sources[far.source]
    if source.tier != AUTO:
        return terms_of(source.tier, kind=source.kind), None
    account = await far.account()
    return terms_of(AUTO, account, source.kind), account.used


class Far:
    """A source that is asked only for what is not at hand; `asked` are the catalogs that it was asked for."""

    def __init__(self, settings: Settings, source: str, clock: Clock, *, offline: bool) -> None:
        self.source = source
        self.asked: list[str] = []
        self.spent = 0
        self._settings = settings
        self._clock = clock
        self._offline = offline
        self._connector: Connector | None = None

    async def account(self) -> Account:
        """The key's account, which costs nothing of the month."""
        return await (await self._connected('the account (tier = "auto")')).account()

    async def items(self) -> pl.DataFrame:
        """The catalog, schema `ITEMS`."""
        return await self._paid("items", lambda connector: connector.items())

    async def providers(self) -> pl.DataFrame:
        """The marketplaces, schema `PROVIDERS`."""
        return await self._paid("providers", lambda connector: connector.providers())

    async def fx(self) -> pl.DataFrame:
        """The exchange rates, schema `FX`."""
        return await self._paid("exchange rates", lambda connector: connector.fx())

    async def aclose(self) -> None:
        """Close the connections, if there are any."""
        if self._connector is not None:
            await self._connector.aclose()

    async def _paid(self, what: str, fetch: Callable[[Connector], Awaitable[pl.DataFrame]]) -> pl.DataFrame:
        connector = await self._connected(what)
        before = connector.requests
        frame = await fetch(connector)
        self.asked.append(what)
        self.spent += connector.requests - before
        return frame

    async def _connected(self, what: str) -> Connector:
        if self._offline:
            raise ConfigError(f"{self.source}: {what} would have to be asked for: leave out --offline")
        if self._connector is None:
            source = self._settings.sources[self.source]
            try:
                key = await find_key(self.source, source.key, self._settings.base)
            except KeyMissing as error:
                raise ConfigError(f"{what} cannot be asked for: {error.detail}", self.source) from None
            state = Home(self._settings.root).state
            self._connector = connect(
                *(self.source, source, key, self._clock), state=state, retry=RetryPolicy(attempts=2)
            )
        return self._connector
