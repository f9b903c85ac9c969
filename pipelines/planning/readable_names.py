"""The names of a basket that the catalogs of its source know, as far as these can be read."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from typing import Literal, TypeVar, cast

import polars as pl

from common.errors import ConfigError, UnexpectedResponse
from pipelines.catalogs import RETRY_AFTER, CatalogCache
from pipelines.planning.selectors import UnknownNames
from pipelines.results import CATALOG_NAMES, shorten_list

Selector = TypeVar("Selector", str, str | int)
Resolved = TypeVar("Resolved")


class ReadableNames:
    """Resolves the names of one basket; those that may be in entries that cannot be read are left out.

    `unreadable` has a line for each catalog in which names were left out.
    """

    def __init__(self, catalogs: CatalogCache) -> None:
        self._catalogs = catalogs
        self.unreadable: list[str] = []

    async def select(
        self,
        name: Literal["items", "providers", "fx"],
        selectors: Sequence[Selector],
        resolve: Callable[[Sequence[Selector], pl.DataFrame], Resolved],
    ) -> Resolved | tuple[()]:
        """Return what `resolve` makes of the selectors and the catalog; nothing where no selector is left.

        Raises UnknownNames where every entry of the catalog can be read, and what the catalogs raise.
        """
        fetch = getattr(self._catalogs, name)
        catalog = await fetch()
        try:
            return resolve(selectors, catalog)
        except UnknownNames:
            if not self._catalogs.left_out(name):
                raise
        with contextlib.suppress(ConfigError):  # a source that is offline
            catalog = await fetch(RETRY_AFTER)
        try:
            return resolve(selectors, catalog)
        except UnknownNames as error:
            self._leave_out(name, error)
            known = [selector for selector in selectors if selector not in error.selectors]
            return resolve(known, catalog) if known else ()

    def _leave_out(self, name: str, error: UnknownNames) -> None:
        entries = self._catalogs.left_out(name)
        if not entries:
            raise error
        reasons = shorten_list(entries, "; ")
        self.unreadable.append(
            f"{error.detail}, but {CATALOG_NAMES[name]} has entries that cannot be read: {reasons}"
        )

    async def select_all(
        self,
        name: Literal["items", "providers"],
        selectors: Sequence[Selector],
        resolve: Callable[[Sequence[Selector], pl.DataFrame], Resolved],
    ) -> Resolved:
        """Return what `select` returns; raises UnexpectedResponse where a selector is left out."""
        resolved = await self.select(name, selectors, resolve)
        if self.unreadable:
            raise UnexpectedResponse("; ".join(self.unreadable), self._catalogs.source)
        return cast("Resolved", resolved)
