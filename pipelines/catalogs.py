"""The cached catalogs of a source: items, providers and exchange rates, refreshed once a day.

The last good catalog serves where a new one cannot be read, and for the entries that a new one lacks.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from typing import Final, Protocol

import polars as pl

from common.clock import Clock
from common.errors import ConfigError, PlanForbids, SourceError, UnexpectedResponse
from common.files import (
    DamagedFile,
    read_checked,
    read_file_version,
    translate_os_errors,
    write_checked,
)
from common.numbers import from_unix_time
from common.warehouse_errors import WarehouseError
from connectors.base import LEFT_OUT
from pipelines.catalog_doubts import drop_missing, merge_catalogs, with_doubts, without_doubts
from pipelines.results import FATAL_SOURCE_ERRORS, CatalogReport

LIFETIME: Final = timedelta(days=1)
# A name that an older cached catalog does not know is worth one request: it may be new.
REFRESH_IF_OLDER: Final = timedelta(minutes=10)
# A catalog that could not be read is requested again after this time: each request counts in the month.
RETRY_AFTER: Final = timedelta(hours=1)
CURRENT: Final = timedelta(0)
MAX_LEFT_OUT: Final = 100  # entries that are remembered


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

    @property
    def odd_entries(self) -> Mapping[str, Sequence[str]]:
        """What could not be read in each catalog that was fetched, by the catalog's name."""
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
    """The catalogs of one source, each fetched again after `lifetime`, or where the cached file is damaged.

    Where `must_store` is false, a disk that is full or read-only does not matter. `fetched` has the catalogs
    that were fetched from the API, as they came, and `reports` what was wrong with each catalog that was
    requested. The methods take another `lifetime`, in place of the usual one; with `CURRENT`, they raise
    where there is no current catalog.
    """

    def __init__(
        self,
        folder: Path,
        connector: ReferenceDataSource,
        clock: Clock,
        lifetime: timedelta = LIFETIME,
        *,
        must_store: bool = True,
    ) -> None:
        self._must_store = must_store
        self._lifetime = lifetime
        self.source = connector.source
        self._folder = folder / connector.catalog_folder
        self._connector = connector
        self._clock = clock
        self.fetched: dict[str, pl.DataFrame] = {}
        self.reports: dict[str, CatalogReport] = {}
        self._loaded: dict[str, tuple[str, pl.DataFrame | None]] = {}

    async def items(self, lifetime: timedelta | None = None) -> pl.DataFrame:
        """Return the catalog of items, schema `ITEMS`."""
        return await self._read("items", self._connector.items, lifetime)

    async def providers(self, lifetime: timedelta | None = None) -> pl.DataFrame:
        """Return the marketplaces, schema `PROVIDERS`."""
        return await self._read("providers", self._connector.providers, lifetime)

    async def fx(self, lifetime: timedelta | None = None) -> pl.DataFrame:
        """Return the exchange rates, schema `FX`."""
        return await self._read("fx", self._connector.fx, lifetime)

    async def refresh(
        self, name: str, fetch: Callable[[], Awaitable[pl.DataFrame]], every: timedelta, *, basis: str = ""
    ) -> None:
        """Fetch market figures or fees into `fetched`, unless this was done within `every`, or just failed.

        A fetch on another `basis` does not count. They are no catalog that a plan needs: without them a run
        goes on, and `reports` say why. Raises SourceErrors about the key and its quota.
        """
        done = self._folder / f"{name}.fetched"
        age = self._age_of(done)
        is_current = age is not None and age < every and done.read_text("utf-8") == basis
        if is_current or self._has_just_failed(name):
            return
        try:
            await self._fetch(name, fetch)
        except SourceError as error:
            if isinstance(error, FATAL_SOURCE_ERRORS) and not isinstance(error, PlanForbids):
                raise
            self.reports[name] = CatalogReport(name, error=str(error))
            done, basis = self._failure_path(name), ""
        else:
            self.reports[name] = CatalogReport(name, odd=tuple(self._connector.odd_entries.get(name, ())))
        with self._tolerate_full_disk():
            self._touch(done, basis)

    def age(self, name: str) -> timedelta | None:
        """Return the age of a cached catalog; None if it is not cached, or its time is in the future."""
        return self._age_of(self._path(name))

    def _age_of(self, path: Path) -> timedelta | None:
        if not path.exists():
            return None
        modified = from_unix_time(path.stat().st_mtime)
        age = None if modified is None else self._clock.now() - modified
        return age if age is not None and age >= timedelta(0) else None

    async def _read(
        self, name: str, fetch: Callable[[], Awaitable[pl.DataFrame]], lifetime: timedelta | None
    ) -> pl.DataFrame:
        last, age = self._load(name), self.age(name)
        if last is not None and age is not None and age < (self._lifetime if lifetime is None else lifetime):
            return without_doubts(name, last)
        fallback = None if lifetime == CURRENT else last
        if fallback is not None and self._has_just_failed(name):
            return without_doubts(name, fallback)
        try:
            new = await self._fetch(name, fetch)
        except SourceError as error:
            if fallback is None or isinstance(error, (*FATAL_SOURCE_ERRORS, ConfigError)):
                raise
            with self._tolerate_full_disk():
                self._touch(self._failure_path(name))
            self.reports[name] = CatalogReport(name, error=str(error))
            return without_doubts(name, fallback)
        return without_doubts(name, self._merge(name, last, new))

    async def _fetch(self, name: str, fetch: Callable[[], Awaitable[pl.DataFrame]]) -> pl.DataFrame:
        """Fetch a catalog; raise UnexpectedResponse for an empty one, which no source has."""
        new = await fetch()
        if new.is_empty():
            raise UnexpectedResponse(f"the catalog of {name} is empty", self.source)
        self.fetched[name] = new
        return new

    def left_out(self, name: str) -> tuple[str, ...]:
        """Return what is not in a cached catalog because it could not be read, each with the reason."""
        try:
            return tuple(self._left_out_path(name).read_text("utf-8").splitlines())
        except (OSError, UnicodeDecodeError):
            return ()

    def _merge(self, name: str, last: pl.DataFrame | None, new: pl.DataFrame) -> pl.DataFrame:
        """Store a new catalog with the entries of the last one that it lacks, and report them."""
        merged = merge_catalogs(name, last, new, self._clock.now())
        odd = tuple(self._connector.odd_entries.get(name, ()))
        self._store(name, merged.rows)
        self._store_left_out(name, [entry for entry in odd if f": {LEFT_OUT}" in entry][:MAX_LEFT_OUT])
        self.reports[name] = CatalogReport(name, missing=merged.missing, odd=odd)
        return merged.rows

    def _load(self, name: str) -> pl.DataFrame | None:
        """Return the cached catalog, which is read once, and again after a change of its file."""
        path = self._path(name)
        version = read_file_version(path)
        if name not in self._loaded or self._loaded[name][0] != version:
            self._loaded[name] = version, _read_catalog(path, name)
        return self._loaded[name][1]

    def _store(self, name: str, frame: pl.DataFrame) -> None:
        with self._tolerate_full_disk():
            _write_catalog(self._path(name), frame, self._clock.now().timestamp())

    def _store_left_out(self, name: str, entries: Sequence[str]) -> None:
        path = self._left_out_path(name)
        with self._tolerate_full_disk(), translate_os_errors(path):
            if entries:
                path.write_text("\n".join(entries), "utf-8")
            else:
                path.unlink(missing_ok=True)

    def _tolerate_full_disk(self) -> contextlib.AbstractContextManager[None]:
        return contextlib.nullcontext() if self._must_store else contextlib.suppress(WarehouseError)

    def _has_just_failed(self, name: str) -> bool:
        age = self._age_of(self._failure_path(name))
        return age is not None and age < RETRY_AFTER

    def _touch(self, path: Path, content: str = "") -> None:
        modified = self._clock.now().timestamp()  # `age` compares the file's time with the same clock
        with translate_os_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content, "utf-8")
            os.utime(path, (modified, modified))

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.arrow"

    def _left_out_path(self, name: str) -> Path:
        return self._folder / f"{name}.odd"

    def _failure_path(self, name: str) -> Path:
        return self._folder / f"{name}.failed"


def drop_missing_entries(folder: Path, name: str) -> int:
    """Drop the entries of a cached catalog that are kept in doubt; return how many."""
    path = folder / f"{name}.arrow"
    rows = _read_catalog(path, name)
    if rows is None:
        return 0
    kept = drop_missing(rows)
    _write_catalog(path, kept, path.stat().st_mtime)
    return rows.height - kept.height


def _read_catalog(path: Path, name: str) -> pl.DataFrame | None:
    """Return a cached catalog with its doubts; None where it is missing, or not what was written."""
    with contextlib.suppress(pl.exceptions.PolarsError, OSError, DamagedFile):
        return with_doubts(name, pl.read_ipc(read_checked(path)))
    return None


def _write_catalog(path: Path, rows: pl.DataFrame, modified: float) -> None:
    """Write a catalog as of the time `modified` (Unix seconds). Raises WarehouseError."""
    content = BytesIO()
    # A twentieth of the bytes, which take longer to read and to verify than to decompress.
    rows.write_ipc(content, compression="zstd")
    with translate_os_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_checked(path, content.getvalue())
        os.utime(path, (modified, modified))
