"""The items of a world, as all of its landings together name them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property

from tests.support.worlds.landings import CatalogItem, Landing
from tests.support.worlds.observed import Identity, Naming, find_names


class Dimensions:
    """The shown names, aggregates and attributes of items."""

    def __init__(self, landings: Sequence[Landing]) -> None:
        self._names: dict[Identity, list[Naming]] = {}
        for landing in landings:
            for naming in find_names(landing):
                self._names.setdefault(naming.item, []).append(naming)

    @property
    def items(self) -> Iterable[Identity]:
        """Every item that a row, a catalog or a request names."""
        return self._names

    @cached_property
    def names(self) -> dict[Identity, str]:
        """The shown name of each item: the newest; a name that was only requested counts least."""
        return {
            item: max(namings, key=lambda n: (not n.requested, n.moment, n.run_id)).name
            for item, namings in self._names.items()
        }

    def find(self, source: str, item_id: str | None, name: str | None) -> set[Identity]:
        """Return the items of a source with an id or a shown name."""
        return {
            item
            for item in self.items
            if item.source == source and (item.item_id == item_id or self.names[item] == name)
        }

    @cached_property
    def phased_names(self) -> set[tuple[str, str]]:
        """The (source, shown name) of the items with phases."""
        return {(item.source, name) for item, name in self.names.items() if item.phase is not None}

    def is_aggregate(self, item: Identity) -> bool:
        """Return whether an item has no phase while another item of its name has one."""
        return item.phase is None and (item.source, self.names[item]) in self.phased_names

    def attributes(self, item: Identity) -> CatalogItem | None:
        """Return the newest catalog entry of an item, if a run fetched one."""
        entries = [naming for naming in self._names[item] if naming.attributes is not None]
        return max(entries, key=lambda n: (n.moment, n.run_id)).attributes if entries else None
