"""From the names in a configuration to the items, providers and currencies that a source knows; pure."""

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

import polars as pl

from common.errors import ConfigError
from common.shards import Item

ALL = "all"


def resolve_items(wanted: Sequence[str | int], catalog: pl.DataFrame) -> tuple[Item, ...] | None:
    """Find the catalog entries that `wanted` names, in order, each once; None for the lone word "all".

    `catalog` has the schema `ITEMS`. An entry of `wanted` is an id, an exact name (the phaseless entry, which
    the API aggregates over phases), "NAME @ PHASE", "NAME @ *" for every phase, or a glob with `*`, which is
    case-sensitive and takes a phased item's phases instead of its aggregate. Raises ConfigError for whatever
    the catalog does not know.
    """
    if [str(entry).strip() for entry in wanted] == [ALL]:
        return None
    index = _CatalogIndex(catalog)
    found = [(entry, index.find(entry)) for entry in wanted]
    unknown = [index.explain(entry) for entry, items in found if not items]
    if unknown or not found:
        raise ConfigError("; ".join(unknown[:5]) or "no items are configured")
    return tuple(dict.fromkeys(item for _, items in found for item in items))


class _CatalogIndex:
    """The catalog by id and by name; a row becomes an Item only once it is asked for."""

    def __init__(self, catalog: pl.DataFrame) -> None:
        self.rows = catalog.select("item_id", "market_hash_name", "phase").rows()
        self.by_id = {item_id: row for row, (item_id, _, _) in enumerate(self.rows) if item_id is not None}
        self.by_name: dict[str, list[int]] = {}
        for row, (_, name, _) in enumerate(self.rows):
            self.by_name.setdefault(name, []).append(row)

    def find(self, entry: str | int) -> list[Item]:
        """Return the items that one configured entry names; none if the catalog knows none."""
        text = str(entry).strip()
        if text in self.by_name:
            return [self._aggregate(text)]
        if isinstance(entry, int) or text.isdecimal():
            return [Item(*self.rows[self.by_id[text]])] if text in self.by_id else []
        name, at, phase = text.rpartition(" @ ")
        if at and name.strip() in self.by_name:
            return [item for item in self._phases(name.strip()) if phase.strip() in {"*", item.phase}]
        return list(self._glob(text)) if "*" in text else []

    def explain(self, entry: str | int) -> str:
        """Why `entry` names nothing, with the nearest thing that would."""
        text = str(entry).strip()
        if isinstance(entry, int) or text.isdecimal():
            return f"no item has the id {text}"
        name, at, _ = text.rpartition(" @ ")
        if at and name.strip() in self.by_name:
            phases = ", ".join(str(item.phase) for item in self._phases(name.strip()))
            return f"{text!r} names no phase; this item has {phases or 'none'}"
        if text == ALL:
            return '"all" must stand alone'
        if "*" in text:
            return f"the glob {text!r} matches no item (case matters)"
        return f"no item is called {text!r}{_nearest(text, self.by_name)}"

    def _aggregate(self, name: str) -> Item:
        phaseless = (item for item in self._named(name) if item.phase is None)
        return next(phaseless, Item(None, name, None))

    def _phases(self, name: str) -> list[Item]:
        return [item for item in self._named(name) if item.phase is not None]

    def _named(self, name: str) -> list[Item]:
        return [Item(*self.rows[row]) for row in self.by_name[name]]

    def _glob(self, pattern: str) -> Iterator[Item]:
        matches = re.compile(".*".join(re.escape(part) for part in pattern.split("*")), re.DOTALL).fullmatch
        for name in filter(matches, self.by_name):
            yield from self._phases(name) or self._named(name)


def resolve_providers(wanted: Sequence[str], providers: pl.DataFrame) -> tuple[str, ...]:
    """Check the provider keys that `wanted` names ("all" alone = every one); in order, each once.

    `providers` has the schema `PROVIDERS`. Raises ConfigError with the nearest key for one it does not know.
    """
    known = providers["provider"].to_list()
    return tuple(known) if list(wanted) == [ALL] else _known(wanted, known, "provider")


def resolve_currencies(wanted: Sequence[str], fx: pl.DataFrame | None) -> tuple[str, ...]:
    """Check the currency codes that `wanted` names; upper-cased, in order, each once.

    `fx` has the schema `FX`; it may be None where only USD is wanted. Raises ConfigError with the nearest
    code for one that the source does not convert to.
    """
    known = ["USD", *([] if fx is None else fx["currency"].to_list())]
    return _known([code.upper() for code in wanted], known, "currency")


def _known(wanted: Sequence[str], known: Sequence[str], what: str) -> tuple[str, ...]:
    keys = [key.strip() for key in wanted]
    lookup = set(known)
    unknown = [f"no {what} is called {key!r}{_nearest(key, known)}" for key in keys if key not in lookup]
    if unknown or not keys:
        raise ConfigError("; ".join(unknown[:5]) or f"no {what} is configured")
    return tuple(dict.fromkeys(keys))


def _nearest(text: str, known: Iterable[str] | Mapping[str, object]) -> str:
    """Ask whether the nearest of `known` was meant; empty where nothing is near."""
    folded: dict[str, str] = {}
    for name in known:
        folded.setdefault(name.casefold(), name)
    near = difflib.get_close_matches(text.casefold(), folded, n=1, cutoff=0.5)
    return f"; did you mean {folded[near[0]]!r}?" if near else ""
