"""Read the catalogs of configured sources for a person: from the API only what is not cached."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from contextlib import aclosing
from datetime import timedelta
from typing import Literal

import polars as pl

from common.clock import Clock
from common.errors import ConfigError
from common.text import escape
from pipelines.catalogs import CURRENT, CatalogCache
from pipelines.config import Settings
from pipelines.planning.estimate import LazySource


async def read_catalogs(
    settings: Settings,
    catalog: Literal["items", "providers", "fx"],
    clock: Clock,
    *,
    sources: Sequence[str] = (),
    refresh: bool = False,
    on_request: Callable[[str], None],
) -> dict[str, pl.DataFrame]:
    """Return a catalog of these sources (none: of all), schema `ITEMS`, `PROVIDERS` or `FX`, by source.

    With `refresh`, cached catalogs are fetched again. `on_request` receives what was fetched, and its cost.
    Raises ConfigError for a source that does not exist, and where a catalog is not cached and the source has
    no key; raises what the connectors raise.
    """
    paths, lifetime = settings.paths, CURRENT if refresh else timedelta.max
    frames = {}
    for name in _select_sources(settings, sources):
        async with aclosing(LazySource(settings, name, clock, offline=False)) as source:
            cache = CatalogCache(paths.catalog, source, clock, must_store=False)
            read = {"items": cache.items, "providers": cache.providers, "fx": cache.fx}[catalog]
            frames[name] = await read(lifetime)
        if source.fetched:
            on_request(source.describe_fetches())
    return frames


def _select_sources(settings: Settings, names: Sequence[str]) -> Sequence[str]:
    if not settings.sources:
        raise ConfigError("no source is configured: add a [sources.NAME] section to the configuration")
    for name in names:
        if name not in settings.sources:
            near = difflib.get_close_matches(name, settings.sources, n=1)
            question = f"; did you mean {near[0]}?" if near else ""
            known = ", ".join(settings.sources)
            raise ConfigError(f"no source is called {escape(name)}; the configuration has {known}{question}")
    return names or list(settings.sources)
