"""What every page has: a title, tables by name, and what only its template knows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from dashboard.tables import Table


@dataclass(frozen=True, slots=True)
class Figure:
    """A number with its meaning; `detail` stands below it, `trend` is "up", "down" or empty."""

    label: str
    value: str
    detail: str = ""
    trend: str = ""


@dataclass(frozen=True, slots=True)
class Page:
    """A page: its template, and what the template shows. `tables` are also served as CSV and JSON."""

    template: str
    title: str
    tables: Sequence[Table] = ()
    figures: Sequence[Figure] = ()
    context: Mapping[str, Any] = field(default_factory=dict)

    def find_table(self, name: str) -> Table | None:
        """Return the table of this name; the first one for an empty name."""
        return next((table for table in self.tables if not name or table.name == name), None)


def item_address(item: str) -> str:
    """Return the address of an item's page; `item` is NAME or NAME @ PHASE."""
    return f"/item/{quote(item, safe='')}"
