"""What commands print: tables for people, JSON for machines; an API's strings are shown, not interpreted."""

from __future__ import annotations

import csv
import dataclasses
import json
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal

from common.text import sanitize

if TYPE_CHECKING:
    from warehouse.queries import QueryResult


def explain_failure(error: Exception) -> tuple[str, int]:
    """Return the message and the exit code of an error that the user can act on; raise any other again."""
    from common.errors import FloorlineError
    from pipelines.results import error_exit_code

    if isinstance(error, FloorlineError):
        return str(error), error_exit_code(error)
    raise error


def to_json(value: object) -> str:
    """JSON with exact amounts as strings and moments in ISO 8601."""

    def other(item: object) -> object:
        if isinstance(item, datetime):
            return item.isoformat()
        if isinstance(item, timedelta):
            return item.total_seconds()
        if dataclasses.is_dataclass(item) and not isinstance(item, type):
            return dataclasses.asdict(item)
        return str(item)

    return json.dumps(value, default=other, ensure_ascii=False, indent=2)


def print_line(text: str) -> None:
    """One line on stdout."""
    sys.stdout.write(text + "\n")


def print_table(columns: Sequence[str], rows: Sequence[Sequence[Any]], title: str | None = None) -> None:
    """Rows below their columns on stdout; numbers to the right."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    shown = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for number, column in enumerate(columns):
        numeric = all(isinstance(row[number], int | float | Decimal | None) for row in rows)
        long = any(len(format_cell(row[number])) > 24 for row in rows)
        side: Literal["right", "left"] = "right" if numeric and rows else "left"
        shown.add_column(column, justify=side, overflow="fold", no_wrap=not long)
    for row in rows:
        shown.add_row(*(Text(format_cell(value)) for value in row))
    console = Console(file=sys.stdout)
    if not console.is_terminal:
        console.width = 160
    console.print(shown)


def format_cell(value: object) -> str:
    """A value as people read it; a moment in UTC, an API's string on one line."""
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
    """An exact amount with at least two places and no idle zeros behind them."""
    text = f"{value:f}"
    whole, _, places = text.partition(".")
    return f"{whole}.{places.rstrip('0').ljust(2, '0')}"


def print_error(text: str) -> None:
    """One line on stderr, behind what stdout has said so far."""
    sys.stdout.flush()
    sys.stderr.write(f"floorline: {text}\n")


def print_rows(found: QueryResult, *, as_json: bool, as_csv: bool = False) -> None:
    """Rows of a query."""
    if as_json:
        print_line(to_json(found.records()))
    elif as_csv:
        writer = csv.writer(sys.stdout)
        writer.writerow(found.columns)
        writer.writerows(found.rows)
    else:
        print_table(found.columns, found.rows)
