"""Terminal output: tables for people, JSON for programs; text from an API is sanitized."""

from __future__ import annotations

import csv
import dataclasses
import json
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, Literal

from common.text import sanitize

if TYPE_CHECKING:
    from warehouse.queries import QueryResult

MAX_UNBROKEN_CELL: Final = 24  # characters; a column with a longer cell may wrap
WIDTH_WITHOUT_TERMINAL: Final = 160


def to_json(value: object) -> str:
    """Return JSON: datetimes in ISO 8601, durations in seconds, Decimals as text, dataclasses as objects."""

    def convert(item: object) -> object:
        if isinstance(item, datetime):
            return item.isoformat()
        if isinstance(item, timedelta):
            return item.total_seconds()
        if dataclasses.is_dataclass(item) and not isinstance(item, type):
            return dataclasses.asdict(item)
        return str(item)

    return json.dumps(value, default=convert, ensure_ascii=False, indent=2)


def print_line(text: str) -> None:
    """Print one line on stdout."""
    sys.stdout.write(text + "\n")


def print_error(text: str) -> None:
    """Print one line on stderr, after everything that stdout has buffered."""
    sys.stdout.flush()
    sys.stderr.write(f"floorline: {text}\n")


def print_rows(result: QueryResult, *, as_json: bool, as_csv: bool = False) -> None:
    """Print the result of a query as a table, as JSON or as CSV."""
    if as_json:
        print_line(to_json(result.records()))
    elif as_csv:
        writer = csv.writer(sys.stdout)
        writer.writerow(result.columns)
        writer.writerows(result.rows)
    else:
        print_table(result.columns, result.rows)


def print_table(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Print a table on stdout, with numbers aligned to the right."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for number, column in enumerate(columns):
        cells = [row[number] for row in rows]
        numeric = bool(cells) and all(isinstance(cell, int | float | Decimal | None) for cell in cells)
        justify: Literal["right", "left"] = "right" if numeric else "left"
        wraps = any(len(format_cell(cell)) > MAX_UNBROKEN_CELL for cell in cells)
        table.add_column(column, justify=justify, overflow="fold", no_wrap=not wraps)
    for row in rows:
        table.add_row(*(Text(format_cell(cell)) for cell in row))
    console = Console(file=sys.stdout)
    if not console.is_terminal:
        # Without a terminal, rich assumes 80 columns.
        console.width = WIDTH_WITHOUT_TERMINAL
    console.print(table)


def format_cell(value: object) -> str:
    """Return a value as people read it: datetimes in UTC, numbers with separators, text on one line."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, Decimal):
        return format_amount(value)
    return sanitize(str(value))


def format_amount(value: Decimal) -> str:
    """Return an exact amount with at least two decimal places and no further trailing zeros."""
    integer, _, decimals = f"{value:f}".partition(".")
    return f"{integer}.{decimals.rstrip('0').ljust(2, '0')}"
