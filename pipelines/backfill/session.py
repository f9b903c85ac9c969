"""The one source of a backfill: its key proven, its catalogs at hand, its budget shared with every run."""

from __future__ import annotations

from datetime import timedelta

import polars as pl

from common.errors import ConfigError
from connectors.cs2cap.connector import CS2Cap
from pipelines.catalogs import CatalogCache
from pipelines.config import Settings
from pipelines.source_session import SourceSession


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


class BackfillSession(SourceSession):
    """A session with a source that serves history series."""

    @property
    def connector(self) -> CS2Cap:
        """The connector. Raises ConfigError for a source without history series."""
        connector = super().connector
        if not isinstance(connector, CS2Cap):
            raise ConfigError("serves no history series", self.name)
        return connector

    @property
    def requests(self) -> int:
        """Requests sent so far that count in the month: all but those of the authentication."""
        return self.requests_sent - self.requests_at_open

    @property
    def cached_catalogs(self) -> CatalogCache:
        """The catalogs as they are cached; the source is not asked for a missing one."""
        return CatalogCache(self._paths.catalog, CachedOnly(self.name), self._clock, lifetime=timedelta.max)


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
