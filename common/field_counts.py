"""Counts by names that an API may make up without end, such as unknown fields: a bounded number of names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final

MAX_NAMES: Final = 50
# Counts the names beyond that number.
OTHERS: Final = "(others)"


class FieldCounts(Counter[str]):
    """Counts by name; of more than `MAX_NAMES` names, the later ones count together as `OTHERS`."""

    def count(self, names: Iterable[str]) -> None:
        """Count each of the names once."""
        for name in names:
            self[name if name in self or len(self) < MAX_NAMES else OTHERS] += 1

    def add(self, counts: Mapping[str, int]) -> None:
        """Add other counts."""
        for name, count in counts.items():
            self[name if name in self or len(self) < MAX_NAMES else OTHERS] += count
