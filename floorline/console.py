"""Terminal output: tables for people, JSON for programs; text from an API is escaped."""

from __future__ import annotations

import dataclasses
import json
import shutil
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from common.addresses import mask_secrets
from common.text import escape, format_amount, pluralize, reveal, sanitize

if TYPE_CHECKING:
    from floorline.table import Column

NUMERIC: Final = int | float | Decimal | None
MAX_MESSAGE: Final = 10_000  # characters
EXACT: Final = int | float | Decimal | datetime | None


def to_json(value: object) -> str:
    """Return JSON: ISO 8601 times, durations in seconds, Decimals as plain text, dataclasses as objects."""

    def convert(item: object) -> object:
        if isinstance(item, datetime):
            return item.isoformat()
        if isinstance(item, timedelta):
            return item.total_seconds()
        if isinstance(item, Decimal):
            return f"{item:f}"
        if dataclasses.is_dataclass(item) and not isinstance(item, type):
            return dataclasses.asdict(item)
        return str(item)

    return escape_json(json.dumps(value, default=convert, ensure_ascii=False, indent=2))


def escape_json(text: str) -> str:
    """Return the same JSON with JSON's own escapes for what a terminal would run or not show."""
    if text.isprintable() or not (hidden := set(text) - set(reveal(text))):
        return text
    return text.translate({ord(char): json.dumps(char)[1:-1] for char in hidden})


def print_line(text: str) -> None:
    """Print one line on stdout, or several; a terminal shows the escape codes in it and runs none."""
    sys.stdout.write(reveal(text) + "\n")


def print_error(text: str) -> None:
    """Print one line on stderr, after everything that stdout has buffered.

    Mask secrets in addresses, and show escape codes.
    """
    sys.stdout.flush()
    sys.stderr.write(f"floorline: {reveal(mask_secrets(text))}\n")


def print_table(
    columns: Sequence[str],
    rows: Sequence[Sequence[Any]],
    *,
    noun: str | None = "row",
    first: Sequence[str] = (),
    prose: Sequence[str] = (),
) -> None:
    """Print a table on stdout, with numbers aligned to the right; see `print_columns`.

    The names of the columns are Floorline's own. The columns `prose` have messages, in which names are in
    their escape form already.
    """
    from floorline.table import Column

    by_column = [[row[number] for row in rows] for number in range(len(columns))]
    print_columns(
        [
            Column(
                name,
                [format_message(cell) if name in prose else format_cell(cell) for cell in cells],
                numeric=bool(cells) and all(isinstance(cell, NUMERIC) for cell in cells),
                exact=all(isinstance(cell, EXACT) for cell in cells),
            )
            for name, cells in zip(columns, by_column, strict=True)
        ],
        noun=noun,
        others="--json shows the others",
        first=first,
    )


def print_columns(
    columns: Sequence[Column], *, noun: str | None, others: str, first: Sequence[str] = ()
) -> None:
    """Print a table on stdout: as wide as the terminal, or whole where stdout is no terminal.

    Below comes the number of rows, each of them a `noun` (None: no number). If columns do not fit, their
    names and how to see the `others` follow; the columns named `first` have the first claim to the width.
    """
    from floorline.table import fit_columns, table_lines

    names = [column.name for column in columns]
    important = [names.index(name) for name in first]
    rest = [index for index in range(len(columns)) if index not in important]
    widths = fit_columns(columns, terminal_width(), (important, rest))
    heading, *lines = table_lines(columns, widths)
    print_heading(heading)
    for line in lines:
        print_line(line)
    if noun is not None:
        print_line(pluralize(len(lines), noun))
    left_out = [name for name, width in zip(names, widths, strict=True) if width is None]
    if left_out:
        shown = len(columns) - len(left_out)
        print_line(f"{len(columns)} columns, {shown} shown; not shown: {', '.join(left_out)}; {others}")


def print_heading(text: str) -> None:
    """Print a line in bold on a terminal, and as it is elsewhere."""
    if not sys.stdout.isatty():
        print_line(text)
        return
    from rich.console import Console
    from rich.text import Text

    Console(file=sys.stdout).print(Text(text, style="bold"), soft_wrap=True)


def terminal_width() -> int | None:
    """Return the width of the terminal that stdout is; None where stdout is a file or a pipe."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def format_cell(value: object) -> str:
    """Return a value as people read it: datetimes in UTC, counts with separators, text whole on one line."""
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
    return escape(str(value))


def format_message(value: object) -> str:
    """Return a message as people read it: whole, on one line, with the escapes that it has."""
    return sanitize(str(value or ""), MAX_MESSAGE)
