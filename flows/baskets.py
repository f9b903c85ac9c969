"""From a configured basket to the shards that fetch it; wrong names end here, before a price is asked for."""

from __future__ import annotations

import dataclasses

import polars as pl

from connectors.errors import ConfigError
from connectors.plan import (
    Item,
    Plan,
    plan,
    resolve_currencies,
    resolve_items,
    resolve_providers,
)
from flows.catalogs import DOUBTFUL, Catalogs
from flows.config import BasketSettings, Settings, expand_items


@dataclasses.dataclass(frozen=True, slots=True)
class Prepared:
    """A basket with its plan."""

    basket: BasketSettings
    plan: Plan


async def prepare(settings: Settings, basket: BasketSettings, catalogs: Catalogs) -> Prepared:
    """Resolve a basket's names against the source's catalogs and plan it.

    Raises ConfigError for an item, provider or currency that does not exist, and what the connector raises.
    """
    try:
        providers = resolve_providers(basket.providers, await catalogs.providers())
        currencies = resolve_currencies(basket.currencies, await _rates(basket, catalogs))
        items = await _items(settings, basket, catalogs)
    except ConfigError as error:
        raise ConfigError(f"basket {basket.name}: {error.detail}") from None
    shards = plan(
        basket.source, items, providers, currencies, every_provider=tuple(basket.providers) == ("all",)
    )
    return Prepared(basket, shards)


async def _rates(basket: BasketSettings, catalogs: Catalogs) -> pl.DataFrame | None:
    """The table of currencies, which USD alone does not need."""
    return None if {code.upper() for code in basket.currencies} == {"USD"} else await catalogs.fx()


async def _items(settings: Settings, basket: BasketSettings, catalogs: Catalogs) -> tuple[Item, ...] | None:
    wanted = expand_items(basket, settings.base)
    if wanted == ("all",):
        return None
    try:
        return resolve_items(wanted, await catalogs.items())
    except ConfigError:
        age = catalogs.age("items")
        if age is None or age < DOUBTFUL:
            raise
        return resolve_items(wanted, await catalogs.items(DOUBTFUL))
