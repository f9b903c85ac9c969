"""Check the conditions of watches without a request: the SQL, and the names of items and marketplaces."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import aclosing
from datetime import timedelta

import polars as pl

from common.clock import Clock
from common.errors import ConfigError
from common.warehouse_errors import QueryRejected
from pipelines.catalogs import CatalogCache
from pipelines.config import Settings, WatchSettings
from pipelines.planning.estimate import LazySource, NotCached
from pipelines.planning.selectors import resolve_items, resolve_providers
from pipelines.watches.conditions import item_selector
from warehouse.paths import Database
from warehouse.queries.watched_rows import check_select


async def check_conditions(settings: Settings, clock: Clock) -> None:
    """Raise ConfigError for a watch whose query DuckDB rejects, or whose names no cached catalog has.

    Names are looked up where the catalogs of all sources are cached.
    """
    published = settings.paths.published_database
    for watch in settings.watches:
        if watch.query is not None:
            _check_query(watch, published)
    of_items = [watch for watch in settings.watches if watch.item is not None]
    if not of_items:
        return
    try:
        items, providers = await _read_catalogs(settings, clock)
    except NotCached:
        return
    for watch in of_items:
        _check_name(watch, lambda w: resolve_items([item_selector(w)], items))
        _check_name(watch, lambda w: resolve_providers(w.marketplace, providers))


def _check_query(watch: WatchSettings, published: Database) -> None:
    try:
        check_select(published, watch.query or "")
    except QueryRejected as error:
        raise ConfigError(f"watch {watch.name}: query: {error.detail.partition(chr(10))[0]}") from None


def _check_name(watch: WatchSettings, resolve: Callable[[WatchSettings], object]) -> None:
    try:
        resolve(watch)
    except ConfigError as error:
        raise ConfigError(f"watch {watch.name}: {error.detail}") from None


async def _read_catalogs(settings: Settings, clock: Clock) -> Sequence[pl.DataFrame]:
    """Return the cached items and the cached marketplaces of all sources. Raises NotCached."""
    paths = settings.paths
    items, providers = [], []
    for name in settings.sources:
        async with aclosing(LazySource(settings, name, clock, offline=True)) as source:
            cache = CatalogCache(paths.catalog, source, clock, lifetime=timedelta.max, must_store=False)
            items.append(await cache.items())
            providers.append(await cache.providers())
    return pl.concat(items), pl.concat(providers)
