"""What every page has: a title, tables by name, and what only its template knows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote

from dashboard.tables import Table

ENDINGS: Final = (".html", ".csv", ".json", ".svg", ".png")


@dataclass(frozen=True, slots=True)
class Figure:
    """A number with its meaning; `detail` stands below it, `trend` is "up", "down" or empty."""

    label: str
    value: str
    detail: str = ""
    trend: str = ""


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart: its SVG, also served as a file, and the `data` behind it, which CSV and JSON have.

    `name` tells the charts of a page apart in addresses; `note` stands below the chart.
    """

    name: str
    caption: str
    svg: str
    data: Table
    note: str = ""


@dataclass(frozen=True, slots=True)
class Page:
    """A page: its template, and what the template shows. `tables` are also served as CSV and JSON."""

    template: str
    title: str
    tables: Sequence[Table] = ()
    figures: Sequence[Figure] = ()
    charts: Sequence[Chart] = ()
    context: Mapping[str, Any] = field(default_factory=dict)

    def find_table(self, name: str) -> Table | None:
        """Return the table of this name, also the data of a chart; the first table for an empty name."""
        tables = [*self.tables, *(chart.data for chart in self.charts)]
        return next((table for table in tables if not name or table.name == name), None)

    def find_chart(self, name: str) -> Chart | None:
        """Return the chart of this name; the first one for an empty name."""
        return next((chart for chart in self.charts if not name or chart.name == name), None)


def item_address(item: str) -> str:
    """Return the address of an item's page; `item` is NAME or NAME @ PHASE.

    A name that ends as the address of a file does, or that is only dots, has ".html" behind it.
    """
    is_plain = not item.lower().endswith(ENDINGS) and item.strip(".")
    return f"/item/{quote(item, safe='')}{'' if is_plain else '.html'}"
