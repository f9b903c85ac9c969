"""The catalogs of a source that is about to be configured, as far as its key is there and its API answers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final, Literal

import polars as pl

from common.clock import SystemClock
from common.errors import ConfigError, SourceError
from pipelines.catalog_reader import read_catalogs
from pipelines.config import Settings, SkinsharkSettings
from pipelines.item_files import expand_files
from pipelines.planning.item_search import ItemSearch, may_be_search
from pipelines.planning.selectors import resolve_currencies, resolve_items

SHOWN: Final = 30  # names that a search shows


@dataclass(frozen=True)
class Catalogs:
    """The items (schema `ITEMS`), the marketplaces (`PROVIDERS`) and the exchange rates (`FX`) of a source.

    The rates are None for a source that has prices in US dollars only.
    """

    items: pl.DataFrame
    providers: pl.DataFrame
    fx: pl.DataFrame | None

    @cached_property
    def _search(self) -> ItemSearch:
        return ItemSearch.of_catalog(self.items)

    @property
    def marketplaces(self) -> Mapping[str, str]:
        """The name of each marketplace by its key."""
        rows = self.providers.sort("provider").select("provider", "name").iter_rows()
        return {key: name or "" for key, name in rows}

    def find(self, text: str) -> list[str]:
        """Return names of items for what is typed so far, as a configuration takes them."""
        return [item.label for item in self._search.find(text)[:SHOWN]]

    def check_item(self, selector: str, base: Path) -> str:
        """Return why a selector selects no item; empty if it selects one or more.

        The path of "file:PATH" starts at `base`.
        """
        try:
            resolve_items(expand_files((selector,), base, "the basket"), self.items)
        except ConfigError as error:
            return error.detail
        return ""

    def check_currencies(self, codes: Sequence[str]) -> str:
        """Return which currency the source does not convert to; empty if it converts to all of them."""
        try:
            resolve_currencies(codes, self.fx)
        except ConfigError as error:
            return error.detail
        return ""

    def name_item(self, selector: str | int) -> str | int:
        """Return the name of the item that plain words select, an id as a number, others as they are."""
        if str(selector).isdecimal():
            return int(selector)
        item = self._search.resolve(str(selector)) if self._is_words(str(selector)) else None
        return selector if item is None else item.label

    def _is_words(self, selector: str) -> bool:
        names = self.items["market_hash_name"]
        return may_be_search(selector) and not (names == selector.strip()).any()


def load_catalogs(settings: Settings, source: str, report: Callable[[str], None]) -> Catalogs | None:
    """Return the catalogs of a source; None where they cannot be read, which is reported in one line."""

    async def read(name: Literal["items", "providers", "fx"]) -> pl.DataFrame:
        frames = await read_catalogs(settings, name, SystemClock(), sources=[source], on_request=report)
        return frames[source]

    async def read_all() -> Catalogs:
        converts = not isinstance(settings.sources[source], SkinsharkSettings)
        return Catalogs(await read("items"), await read("providers"), await read("fx") if converts else None)

    try:
        return asyncio.run(read_all())
    except SourceError as error:
        report(f"names are not looked up yet: {error}")
        return None
