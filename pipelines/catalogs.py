"""The cached catalogs of a source: items, providers and exchange rates, refreshed once a day."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Final, Protocol

import polars as pl

from common.clock import Clock
from common.files import translate_os_errors
from common.numbers import from_unix_time

LIFETIME: Final = timedelta(days=1)
# A name that an older cached catalog does not know is worth one request: it may be new.
REFRESH_IF_OLDER: Final = timedelta(minutes=10)


class ReferenceDataSource(Protocol):
    """Provides the catalogs of a source; each connector does."""

    @property
    def source(self) -> str:
        """The configured name of the source."""
        ...

    @property
    def catalog_folder(self) -> str:
        """Where its catalogs are cached, a relative path that begins with the name of the source."""
        ...

    async def items(self) -> pl.DataFrame:
        """Return the catalog of items, schema `ITEMS`."""
        ...

    async def providers(self) -> pl.DataFrame:
        """Return the marketplaces, schema `PROVIDERS`."""
        ...

    async def fx(self) -> pl.DataFrame:
        """Return the exchange rates, schema `FX`."""
        ...


class CatalogCache:
    """The catalogs of one source, each fetched again after `lifetime`.

    `fetched` has the catalogs that were fetched from the API, and not read from the cache.
    """

    def __init__(
        self, folder: Path, connector: ReferenceDataSource, clock: Clock, lifetime: timedelta = LIFETIME
    ) -> None:
        self._lifetime = lifetime
        self.source = connector.source
        self._folder = folder / connector.catalog_folder
        self._connector = connector
        self._clock = clock
        self.fetched: dict[str, pl.DataFrame] = {}

    async def items(self, lifetime: timedelta | None = None) -> pl.DataFrame:
        """Return the catalog of items, schema `ITEMS`."""
        return await self._read("items", self._connector.items, lifetime)

    async def providers(self, lifetime: timedelta | None = None) -> pl.DataFrame:
        """Return the marketplaces, schema `PROVIDERS`."""
        return await self._read("providers", self._connector.providers, lifetime)

    async def fx(self, lifetime: timedelta | None = None) -> pl.DataFrame:
        """Return the exchange rates, schema `FX`."""
        return await self._read("fx", self._connector.fx, lifetime)

    def age(self, name: str) -> timedelta | None:
        """Return the age of a cached catalog; None if it is not cached, or its time is in the future."""
        path = self._path(name)
        if not path.exists():
            return None
        modified = from_unix_time(path.stat().st_mtime)
        age = None if modified is None else self._clock.now() - modified
        return age if age is not None and age >= timedelta(0) else None

    async def _read(
        self, name: str, fetch: Callable[[], Awaitable[pl.DataFrame]], lifetime: timedelta | None
    ) -> pl.DataFrame:
        age = self.age(name)
        if age is not None and age < (self._lifetime if lifetime is None else lifetime):
            with contextlib.suppress(pl.exceptions.PolarsError, OSError):  # unreadable: fetch it again
                return pl.read_ipc(self._path(name))
        frame = await fetch()
        self._store(name, frame)
        self.fetched[name] = frame
        return frame

    def _store(self, name: str, frame: pl.DataFrame) -> None:
        path = self._path(name)
        partial = path.with_suffix(".partial")
        modified = self._clock.now().timestamp()  # `age` compares the file's time with the same clock
        with translate_os_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            frame.write_ipc(partial)
            os.utime(partial, (modified, modified))
            partial.replace(path)

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.arrow"
