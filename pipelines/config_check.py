"""Check a configuration without a request, and say what its baskets select by the cached catalogs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Literal

import polars as pl

from common.clock import Clock
from common.errors import ConfigError
from pipelines.catalogs import CatalogCache
from pipelines.config import BasketSettings, Settings
from pipelines.config.values import format_exactly
from pipelines.holdings import read_holdings
from pipelines.item_files import expand_items
from pipelines.planning.estimate import LazySource, NotCached
from pipelines.planning.item_search import may_be_search
from pipelines.planning.readable_names import ReadableNames, Resolved, Selector
from pipelines.planning.selectors import ALL, resolve_currencies, resolve_items, resolve_providers
from pipelines.results import CATALOG_NAMES
from pipelines.watches.names import check_conditions


@dataclass(frozen=True, slots=True)
class Selection:
    """What a basket selects: so many catalog entries (None: all, or unknown), providers and currencies.

    `meanings` are the item names that words of the configuration stand for, by the words. `unchecked` names
    the catalogs that are not cached, so that the names in them were not looked up.
    """

    basket: str
    source: str
    items: int | None
    providers: tuple[str, ...]
    currencies: tuple[str, ...]
    schedule: str
    meanings: Mapping[str, str]
    unchecked: tuple[str, ...]


async def check_configuration(settings: Settings, clock: Clock) -> list[Selection]:
    """Return what each basket selects by the cached catalogs; send no request, and read no key.

    Raises ConfigError for a configuration without baskets, for an item file or holdings that cannot be read,
    for a name
    that a cached catalog does not have, and for a watch whose query DuckDB rejects.
    """
    selections = []
    for basket in settings.select_baskets(()):
        async with aclosing(LazySource(settings, basket.source, clock, offline=True)) as source:
            paths = settings.paths
            catalogs = CatalogCache(paths.catalog, source, clock, lifetime=timedelta.max, must_store=False)
            try:
                selections.append(await _BasketCheck(basket, catalogs).run(settings.base))
            except ConfigError as error:
                owner = f"basket {basket.name}: "  # of an item file, the error names it already
                raise ConfigError(owner + error.detail.removeprefix(owner)) from None
    if settings.warehouse.holdings is not None:
        read_holdings(settings.base / settings.warehouse.holdings)
    await check_conditions(settings, clock)
    return selections


class _BasketCheck:
    """Looks up the names of one basket in the catalogs that are cached."""

    def __init__(self, basket: BasketSettings, catalogs: CatalogCache) -> None:
        self._basket = basket
        self._catalogs = catalogs
        self._names = ReadableNames(catalogs)
        self._unchecked: list[str] = []

    async def run(self, base: Path) -> Selection:
        basket = self._basket
        selectors = expand_items(basket, base)
        items = await self._select("items", selectors, resolve_items) if selectors != (ALL,) else None
        currencies = tuple(code.upper() for code in basket.currencies)
        if currencies != ("USD",):
            currencies = await self._select("fx", basket.currencies, resolve_currencies) or currencies
        return Selection(
            basket=basket.name,
            source=basket.source,
            items=None if items is None else len(items),
            providers=await self._select("providers", basket.providers, resolve_providers)
            or basket.providers,
            currencies=currencies,
            schedule=_describe_schedule(basket),
            meanings={} if items is None else await self._read_words(selectors),
            unchecked=tuple(self._unchecked),
        )

    async def _select(
        self,
        name: Literal["items", "providers", "fx"],
        selectors: Sequence[Selector],
        resolve: Callable[[Sequence[Selector], pl.DataFrame], Resolved],
    ) -> Resolved | tuple[()] | None:
        """Return what names select; None where the catalog is not cached."""
        try:
            return await self._names.select(name, selectors, resolve)
        except NotCached:
            self._unchecked.append(CATALOG_NAMES[name])
            return None

    async def _read_words(self, selectors: Sequence[str | int]) -> dict[str, str]:
        """Return the item that is meant, by the words that mean it."""
        catalog = await self._catalogs.items()
        known = set(catalog["market_hash_name"])
        words = [text for text in map(str, selectors) if may_be_search(text) and text.strip() not in known]
        found = {text: resolve_items([text], catalog) for text in words} if words else {}
        return {text: items[0].label for text, items in found.items() if items}


def _describe_schedule(basket: BasketSettings) -> str:
    if basket.cron is not None:
        return f"cron {basket.cron} ({basket.timezone})"
    return f"every {format_exactly(basket.every)}"
