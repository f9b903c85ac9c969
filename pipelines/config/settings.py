"""The complete configuration: its tables, and what depends on several of them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, field_validator

from common.errors import ConfigError
from common.text import escape
from pipelines.config.environment import Tables
from pipelines.config.fields import Name, in_lower_case
from pipelines.config.shared import SharedSettings
from pipelines.config.sources import AnySource, Cs2capSettings, SkinsharkSettings
from pipelines.config.tables import AlertSettings, BasketSettings, WarehouseSettings
from pipelines.config.watches import WatchSettings
from warehouse.paths import WarehousePaths

_Named = TypeVar("_Named", BasketSettings, WatchSettings)
TABLES: Tables = {
    "warehouse": (WarehouseSettings,),
    "shared": (SharedSettings,),
    "alerts": (AlertSettings,),
    "sources": (Cs2capSettings, SkinsharkSettings),
    "baskets": (BasketSettings,),
    "watches": (WatchSettings,),
}


class Settings(BaseModel, extra="forbid", frozen=True, validate_default=True):
    """The complete configuration; its relative paths start at the folder `base`."""

    warehouse: WarehouseSettings = WarehouseSettings()
    shared: SharedSettings | None = None
    alerts: AlertSettings = AlertSettings()
    sources: dict[Name, AnySource] = {}
    baskets: tuple[BasketSettings, ...] = ()
    watches: tuple[WatchSettings, ...] = ()
    base: Path = Path()

    @field_validator("sources", mode="before")
    @classmethod
    def _add_kinds(cls, sources: object) -> object:
        """Add the kind of a source that has none, which is its name; accept a kind in any case."""
        if not isinstance(sources, dict):
            return sources
        return {
            name: {**source, "kind": in_lower_case(source.get("kind", name))}
            if isinstance(source, dict)
            else source
            for name, source in sources.items()
        }

    @property
    def root(self) -> Path:
        """The folder of the warehouse. Raises ConfigError where no database can be in such a folder."""
        root = self.base / self.warehouse.path
        try:
            str(root).encode()
        except UnicodeEncodeError:
            raise ConfigError(
                f"the folder of the warehouse is not UTF-8 text, and DuckDB opens no such path: {root};"
                " set [warehouse] path to another folder"
            ) from None
        return root

    @property
    def paths(self) -> WarehousePaths:
        """The warehouse: its folder, and what several machines share. Raises ConfigError as `root` does."""
        return WarehousePaths(self.root, None if self.shared is None else self.shared.locate(self.base))

    @property
    def live_baskets(self) -> tuple[BasketSettings, ...]:
        """The baskets whose feeds are followed."""
        return tuple(basket for basket in self.baskets if basket.live)

    @property
    def sales_every(self) -> dict[str, timedelta]:
        """The interval of the scheduled sales reads, by source; only of sources that have one."""
        return self._intervals("sales")

    @property
    def market_stats_every(self) -> dict[str, timedelta]:
        """The interval of the market figures, by source; only of sources that have one."""
        return self._intervals("market_stats")

    def _intervals(self, key: str) -> dict[str, timedelta]:
        intervals = {name: getattr(source, key, None) for name, source in self.sources.items()}
        return {name: interval for name, interval in intervals.items() if interval is not None}

    @property
    def deployments(self) -> dict[str, tuple[BasketSettings, ...]]:
        """The baskets that each deployment observes, by its name."""
        groups: dict[str, tuple[BasketSettings, ...]] = {}
        for basket in self.baskets:
            groups[basket.deployment_name] = (*groups.get(basket.deployment_name, ()), basket)
        return groups

    def select_baskets(self, names: tuple[str, ...]) -> tuple[BasketSettings, ...]:
        """Return the baskets with these names, or all baskets for no name.

        Raises ConfigError for a basket that does not exist, and for a configuration without baskets.
        """
        if not self.baskets:
            raise ConfigError("no basket is configured: add a [[baskets]] table with the items to observe")
        return _select_named("basket", self.baskets, names)

    def select_watches(self, names: Sequence[str]) -> tuple[WatchSettings, ...]:
        """Return the watches with these names, or all watches for no name.

        Raises ConfigError for a watch that does not exist, and for a configuration without watches.
        """
        if not self.watches:
            raise ConfigError("no watch is configured: add a [[watches]] table with a query or an item")
        return _select_named("watch", self.watches, names)


def _select_named(kind: str, entries: tuple[_Named, ...], names: Sequence[str]) -> tuple[_Named, ...]:
    """Return the entries with these names, each once, or all for no name. Raises ConfigError."""
    by_name = {entry.name: entry for entry in entries}
    if unknown := ", ".join(escape(name) or "''" for name in names if name not in by_name):
        raise ConfigError(f"no {kind} is called {unknown}; the configuration has {', '.join(by_name)}")
    return tuple(by_name[name] for name in dict.fromkeys(names)) if names else entries
