"""Tables of the pages: one description for HTML, CSV and JSON, so that all three show the same rows."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final, Literal

from common.text import FORMULA
from dashboard.formatting import (
    format_age,
    format_change,
    format_count,
    format_decimal,
    format_moment,
    format_name,
    format_price,
    format_rounded,
    format_share,
)

# What the values of a column are: this decides how a page shows them, and on which side they stand.
# A `change` happened over time, and is coloured; an `excess` is how far one value is above another.
Kind = Literal[
    "text", "price", "rounded", "change", "excess", "share", "count", "age", "moment", "decimal", "chart"
]
FORMATS: Final[Mapping[Kind, Callable[[Any], str]]] = {
    "text": lambda value: format_name(str(value)) if value is not None else "",
    "price": format_price,
    "rounded": format_rounded,
    "change": format_change,
    "excess": format_change,
    "share": format_share,
    "count": format_count,
    "age": format_age,
    "moment": format_moment,
    "decimal": format_decimal,
}
TEXTS: Final[frozenset[Kind]] = frozenset({"text", "chart"})


@dataclass(frozen=True, slots=True)
class Column:
    """A column: `key` names it in CSV and JSON, `label` on the page.

    A narrow screen hides a `secondary` column. A `chart` column holds SVG, and is on the page only.
    """

    key: str
    label: str
    kind: Kind = "text"
    secondary: bool = False

    @property
    def is_numeric(self) -> bool:
        """Whether the column is aligned to the right."""
        return self.kind not in TEXTS

    def show(self, value: object) -> str:
        """Return a value as the page shows it, not escaped."""
        return FORMATS[self.kind](value)


@dataclass(frozen=True, slots=True)
class Row:
    """The values of a row by the keys of its columns; `links` has the address behind a value.

    An address that begins with a slash is one of our pages.
    """

    values: Mapping[str, Any]
    links: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Table:
    """A table of a page. `name` tells the tables of a page apart in addresses; `empty` stands for no row."""

    name: str
    caption: str
    columns: Sequence[Column]
    rows: Sequence[Row]
    empty: str = "No rows."
    note: str = ""

    @property
    def data_columns(self) -> list[Column]:
        """The columns that hold data, in contrast to charts."""
        return [column for column in self.columns if column.kind != "chart"]

    def to_csv(self) -> str:
        """Return the rows as CSV (UTF-8, LF): exact amounts, times in ISO 8601, ages in seconds.

        A text that a spreadsheet would take for a formula begins with an apostrophe.
        """
        target = io.StringIO()
        writer = csv.writer(target, lineterminator="\n")
        writer.writerow(column.key for column in self.data_columns)
        for row in self.rows:
            writer.writerow(_to_field(row.values.get(column.key), column) for column in self.data_columns)
        return target.getvalue()

    def to_json(self) -> str:
        """Return the rows as a JSON list; amounts are texts, because JSON readers round numbers."""
        rows = [
            {column.key: _to_plain(row.values.get(column.key)) for column in self.data_columns}
            for row in self.rows
        ]
        return json.dumps(rows, ensure_ascii=False)


def _to_field(value: object, column: Column) -> object:
    plain = _to_plain(value)
    if column.kind == "text" and isinstance(plain, str) and FORMULA.match(plain):
        return f"'{plain}"
    return plain


def _to_plain(value: object) -> object:
    """Return a value that JSON has."""
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, datetime):
        return value.isoformat()
    return value
