"""A source's catalogs (items, providers, exchange rates), cached for a day: a run then costs prices only."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import polars as pl

from connectors.base import Connector
from connectors.clock import Clock
from warehouse.errors import on_disk

LIFETIME: Final = timedelta(days=1)
# What a cached catalog does not know may have come since: worth one request, if the cache is older than this.
DOUBTFUL: Final = timedelta(minutes=10)


class Catalogs:
    """The catalogs of one source. `fetched` holds those that this run asked the API for."""

    def __init__(self, folder: Path, connector: Connector, clock: Clock) -> None:
        self._folder = folder / connector.source
        self._connector = connector
        self._clock = clock
        self.fetched: dict[str, pl.DataFrame] = {}

    async def items(self, lifetime: timedelta = LIFETIME) -> pl.DataFrame:
        """The catalog, schema `ITEMS`."""
        return await self._read("items", self._connector.items, lifetime)

    async def providers(self, lifetime: timedelta = LIFETIME) -> pl.DataFrame:
        """The marketplaces, schema `PROVIDERS`."""
        return await self._read("providers", self._connector.providers, lifetime)

    async def fx(self, lifetime: timedelta = LIFETIME) -> pl.DataFrame:
        """The exchange rates, schema `FX`."""
        return await self._read("fx", self._connector.fx, lifetime)

    def age(self, name: str) -> timedelta | None:
        """How old the cached catalog is; None where there is none, or one from the future."""
        path = self._path(name)
        if not path.exists():
            return None
        age = self._clock.now() - datetime.fromtimestamp(path.stat().st_mtime, UTC)
        return age if age >= timedelta(0) else None

    async def _read(
        self, name: str, fetch: Callable[[], Awaitable[pl.DataFrame]], lifetime: timedelta
    ) -> pl.DataFrame:
        age = self.age(name)
        if age is not None and age < lifetime:
            with contextlib.suppress(pl.exceptions.PolarsError, OSError):  # unreadable: as good as none
                return pl.read_ipc(self._path(name))
        frame = await fetch()
        self._keep(name, frame)
        self.fetched[name] = frame
        return frame

    def _keep(self, name: str, frame: pl.DataFrame) -> None:
        path = self._path(name)
        partial = path.with_suffix(".partial")
        written = self._clock.now().timestamp()
        with on_disk(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            frame.write_ipc(partial)
            os.utime(partial, (written, written))
            partial.replace(path)

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.arrow"
