"""From what the configuration names to the requests that fetch it; pure, so it can be shown beforehand."""

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import polars as pl

from connectors.errors import ConfigError

ALL = "all"
SHARD_ITEMS = 100

# How a shard is asked for: an item a request, a catalog by pages, up to 100 items a request, the whole index
# as one stream, or the pages of a source that lists everything at once.
Route = Literal["item", "catalog", "batch", "stream", "listing"]


@dataclass(frozen=True, slots=True)
class Item:
    """One catalog entry; `phase` is None for an unphased item and for the aggregate over an item's phases."""

    item_id: str | None
    market_hash_name: str
    phase: str | None


@dataclass(frozen=True, slots=True)
class Shard:
    """What one walk fetches: `items` (None = the whole catalog) at `providers`, in one currency, by `route`.

    `number` counts from 0 within its plan. `providers` is the exact scope, one provider for a catalog;
    `every_provider` says that these are all the source has, so that a request need not name them.
    """

    number: int
    source: str
    currency: str
    providers: tuple[str, ...]
    items: tuple[Item, ...] | None
    delivery: str = "standard"
    every_provider: bool = False
    route: Route = "item"

    @property
    def least_requests(self) -> int:
        """What the walk costs at least: one request an item, or the first page of a catalog."""
        return 1 if self.items is None else len(self.items)


@dataclass(frozen=True, slots=True)
class Plan:
    """The shards of one basket, and `notes` for whoever reads the plan."""

    shards: tuple[Shard, ...]
    notes: tuple[str, ...]

    @property
    def whole(self) -> bool:
        """Whether a whole catalog is among the shards: many full pages, as fast as they can be had."""
        return any(shard.items is None for shard in self.shards)

    @property
    def least_requests(self) -> int:
        """What the plan costs at least."""
        return sum(shard.least_requests for shard in self.shards)


def plan(
    source: str,
    items: Sequence[Item] | None,
    providers: Sequence[str],
    currencies: Sequence[str],
    *,
    every_provider: bool = False,
    delivery: str = "standard",
) -> Plan:
    """Choose the cheapest shards for `items` (None = everything) from `providers` in `currencies`.

    A catalog takes one shard a provider and currency, so that completeness and drift are a matter of seconds;
    items take one request each, all providers at once, in shards of at most 100.
    """
    parts: list[tuple[tuple[str, ...], tuple[Item, ...] | None]]
    if items is None:
        parts = [((provider,), None) for provider in providers]
        note = f"whole catalog: {len(providers)} providers x {len(currencies)} currencies, one request a page"
    else:
        batches = [tuple(items[at : at + SHARD_ITEMS]) for at in range(0, len(items), SHARD_ITEMS)]
        parts = [(tuple(providers), batch) for batch in batches]
        note = f"{len(items)} items x {len(currencies)} currencies, one request each for all providers"
    route: Route = "catalog" if items is None else "item"
    scopes = [(currency, *part) for currency in currencies for part in parts]
    shards = tuple(
        Shard(number, source, currency, keys, batch, delivery, every_provider and items is not None, route)
        for number, (currency, keys, batch) in enumerate(scopes)
    )
    return Plan(shards, (note,))


def resolve_items(wanted: Sequence[str | int], catalog: pl.DataFrame) -> tuple[Item, ...] | None:
    """Find the catalog entries that `wanted` names, in order, each once; None for the lone word "all".

    `catalog` has the schema `ITEMS`. An entry of `wanted` is an id, an exact name (the phaseless entry, which
    the API aggregates over phases), "NAME @ PHASE", "NAME @ *" for every phase, or a glob with `*`, which is
    case-sensitive and takes a phased item's phases instead of its aggregate. Raises ConfigError for whatever
    the catalog does not know.
    """
    if [str(entry).strip() for entry in wanted] == [ALL]:
        return None
    index = _Catalog(catalog)
    found = [(entry, index.find(entry)) for entry in wanted]
    unknown = [index.explain(entry) for entry, items in found if not items]
    if unknown or not found:
        raise ConfigError("; ".join(unknown[:5]) or "no items are configured")
    return tuple(dict.fromkeys(item for _, items in found for item in items))


class _Catalog:
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
