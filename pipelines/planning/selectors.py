"""Resolve the names in a configuration to the items, providers and currencies of a source. Pure."""

import logging
import shlex
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final, TypeVar

import polars as pl

from common.errors import ConfigError
from common.shards import Item
from common.text import quote, spellings
from connectors.schemas import provider_keys_by_name
from pipelines.planning.item_search import ItemSearch, may_be_search
from pipelines.planning.suggestions import compile_glob, fold, suggest, suggest_glob

LOG = logging.getLogger("floorline")
ALL = "all"
EXPLAINED: Final = 5
SUGGESTED: Final = 3
T = TypeVar("T")


@dataclass(eq=False)
class UnknownNames(ConfigError):
    """Selectors that match nothing in a catalog: `selectors`, as they are configured."""

    selectors: frozenset[str | int] = frozenset()


def resolve_items(selectors: Sequence[str | int], catalog: pl.DataFrame) -> tuple[Item, ...] | None:
    """Return the selected catalog entries in order, each once; None for the single selector "all".

    `catalog` has the schema `ITEMS`. A selector is an id, an exact name (without a phase: the API aggregates
    the phases), "NAME @ PHASE", "NAME @ *" for every phase, or a glob with `*`, which is case-sensitive and
    selects the phases of a phased item instead of its aggregate. Plain words select the only item of which
    they say every word, as in "ak redline ft". Raises UnknownNames for a selector that matches nothing.
    """
    if [str(selector).strip() for selector in selectors] == [ALL]:
        return None
    index = _CatalogIndex(catalog, selectors)
    matches = [(selector, index.find(selector)) for selector in selectors]
    unknown = [selector for selector, items in matches if not items]
    if unknown or not matches:
        raise UnknownNames(
            _join_explanations(unknown, index.explain) or "no items are configured",
            selectors=frozenset(unknown),
        )
    return tuple(dict.fromkeys(item for _, items in matches for item in items))


def warn_of_comments(comments: Sequence[str], catalog: pl.DataFrame, owner: str) -> None:
    """Log a warning for each comment of an item file that is the name of an item.

    `catalog` has the schema `ITEMS`.
    """
    if not comments:
        return
    names = catalog.filter(pl.col("market_hash_name").is_in(list(comments)))["market_hash_name"]
    for name in names.unique(maintain_order=True):
        LOG.warning(
            "%s: the line %s of its item file is a comment, and an item has this name: write a backslash"
            " before the # to select the item",
            owner,
            quote(name),
        )


class _Entries:
    """Entries of a catalog by id and by name. Only selected rows become Items."""

    def __init__(self, catalog: pl.DataFrame) -> None:
        self.rows = catalog.select("item_id", "market_hash_name", "phase").rows()
        self.by_id = {item_id: row for row, (item_id, _, _) in enumerate(self.rows) if item_id is not None}
        self.by_name: dict[str, list[int]] = {}
        for row, (_, name, _) in enumerate(self.rows):
            self.by_name.setdefault(name, []).append(row)

    def named(self, name: str) -> list[Item]:
        return [Item(*self.rows[row]) for row in self.by_name[name]]

    def phases(self, name: str) -> list[Item]:
        return [item for item in self.named(name) if item.phase is not None]

    def aggregate(self, name: str) -> Item:
        return next((item for item in self.named(name) if item.phase is None), Item(None, name, None))

    def split_phase(self, text: str) -> tuple[str, str | None]:
        """Return the known name and the phase of "NAME @ PHASE"; the text and None if it is nothing such."""
        known = next((name for name in _names_before_phase(text) if name in self.by_name), None)
        return (text, None) if known is None else (known, text.rpartition(" @ ")[2].strip())

    def glob(self, pattern: str) -> Iterator[Item]:
        for name in filter(compile_glob(pattern.split("*")).fullmatch, self.by_name):
            yield from self.phases(name) or self.named(name)


class _CatalogIndex:
    """Finds entries of a catalog: literally, by globs and by words.

    Most selectors are names and ids: only the entries that they name are indexed at first, which takes a
    thirtieth of the time.
    """

    def __init__(self, catalog: pl.DataFrame, selectors: Sequence[str | int]) -> None:
        self._catalog = catalog
        texts = [text for selector in selectors for text in spellings(str(selector))]
        names = {*texts, *(name for text in texts for name in _names_before_phase(text))}
        named = pl.col("market_hash_name").is_in(_stored(names)) | pl.col("item_id").is_in(_stored(texts))
        self._literal = _Entries(catalog.filter(named))

    @cached_property
    def _every(self) -> _Entries:
        return _Entries(self._catalog)

    def find(self, selector: str | int) -> list[Item]:
        """Return the items that a selector matches, in the most literal of its spellings that matches any."""
        matches = (self._match(spelling) for spelling in spellings(str(selector)))
        return next(filter(None, matches), None) or self._match_words(str(selector))

    @cached_property
    def search(self) -> ItemSearch:
        return ItemSearch.of_catalog(self._catalog)

    def _match_words(self, text: str) -> list[Item]:
        """Return the item that plain words select, unless its name differs only in what eyes may miss."""
        item = self.search.resolve(text) if may_be_search(text) else None
        return [] if item is None or fold(item.label) == fold(text) else [item]

    def _match(self, text: str) -> list[Item]:
        entries = self._literal
        if text in entries.by_name:  # first, because a name may contain `*` or " @ "
            return [entries.aggregate(text)]
        if text.isdecimal():
            return [Item(*entries.rows[entries.by_id[text]])] if text in entries.by_id else []
        name, phase = entries.split_phase(text)
        if phase is not None:
            return [item for item in entries.phases(name) if phase in {"*", item.phase}]
        return list(self._every.glob(text)) if "*" in text else []

    def explain(self, selector: str | int) -> str:
        """Return why a selector matches nothing, with the nearest name."""
        text, entries = str(selector).strip(), self._every
        if text.isdecimal():
            return f"no item has the id {text}"
        name, phase = entries.split_phase(text)
        if phase is not None:
            phases = ", ".join(str(item.phase) for item in entries.phases(name))
            return f"{quote(text)} names no phase; this item has {phases or 'none'}"
        if text == ALL:
            return '"all" must be the only entry'
        if "*" in text:
            near = suggest_glob(text, entries.by_name)
            return f"the glob {quote(text)} matches no item (case matters){near}"
        comment = '; a comment begins with "# "' if text.startswith("#") else ""
        near = self._suggest_by_words(text) or suggest(text, entries.by_name)
        return f"no item is called {quote(text)}{near}{comment}"

    def _suggest_by_words(self, text: str) -> str:
        """Return a question for the items that have all words of a text; empty if there are none."""
        found = self.search.find(text) if may_be_search(text) else []
        if any(fold(item.label) == fold(text) for item in found):
            return ""
        names = [quote(item.label) for item in found[:SUGGESTED]]
        if len(found) <= 1:
            return "".join(f"; did you mean {name}?" for name in names)
        more = f" `floorline items search {shlex.quote(text)}` shows all {len(found):,}"
        either = f"; did you mean {', '.join(names[:-1])} or {names[-1]}?"
        return either + (more if len(found) > SUGGESTED else "")


def _stored(texts: Iterable[str]) -> list[str]:
    """Return the texts that a catalog can hold: a lone surrogate has no UTF-8."""
    return [text for text in texts if text.encode(errors="ignore").decode() == text]


def _names_before_phase(text: str) -> tuple[str, ...]:
    """Return what may be the name in "NAME @ PHASE", in the order of preference."""
    name, at, _ = text.rpartition(" @ ")
    return (name, name.strip()) if at else ()


def resolve_providers(selectors: Sequence[str], providers: pl.DataFrame) -> tuple[str, ...]:
    """Return the selected provider keys in order, each once; all of them for the single selector "all".

    A selector is a key or a display name ("Steam Community Market") in any case. `providers` has the schema
    `PROVIDERS`. Raises UnknownNames with the nearest key for an unknown one.
    """
    known = providers["provider"].to_list()
    if list(selectors) == [ALL]:
        return tuple(known)
    by_name = {fold(name or ""): key for name, key in provider_keys_by_name(providers).items()}
    keys = [
        text if set(spellings(text)) & set(known) else by_name.get(fold(text), text) for text in selectors
    ]
    return _check_known(keys, known, "provider")


def resolve_currencies(selectors: Sequence[str], fx: pl.DataFrame | None) -> tuple[str, ...]:
    """Return the selected currency codes in upper case, in order, each once.

    `fx` has the schema `FX`; it may be None for USD alone. Raises UnknownNames with the nearest code for a
    currency that the source does not convert to.
    """
    known = ["USD", *([] if fx is None else fx["currency"].to_list())]
    return _check_known(selectors, known, "currency", str.upper)


def _check_known(
    selectors: Sequence[str], known: Sequence[str], what: str, normalize: Callable[[str], str] = str
) -> tuple[str, ...]:
    lookup = set(known)
    keys = {
        text: next((key for key in spellings(normalize(text)) if key in lookup), normalize(text).strip())
        for text in selectors
    }
    unknown = [text for text, key in keys.items() if key not in lookup]
    if unknown or not keys:
        reason = _join_explanations(
            [keys[text] for text in unknown],
            lambda key: f"no {what} is called {quote(key)}{suggest(key, known)}",
        )
        raise UnknownNames(reason or f"no {what} is configured", selectors=frozenset(unknown))
    return tuple(dict.fromkeys(keys.values()))


def _join_explanations(unknown: Sequence[T], explain: Callable[[T], str]) -> str:
    """Return why the first few selectors match nothing: to look for a near name takes seconds."""
    more = [f"and {len(unknown) - EXPLAINED:,} more"] if len(unknown) > EXPLAINED else []
    return "; ".join([*map(explain, unknown[:EXPLAINED]), *more])
