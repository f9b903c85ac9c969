"""The rows in the message of an alert of a watch: a line of text, then each row as a line of JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Final

from warehouse.state.alerts import Alert

MAX_ROWS: Final = 10  # in a message
WATCH_WARNING: Final = "watch.warning"
WATCH_FAILURE: Final = "watch.failure"
WATCH_BROKEN: Final = "watch.broken"
WITH_ROWS: Final = frozenset({WATCH_WARNING, WATCH_FAILURE})
Row = Mapping[str, str | None]


def join_rows(summary: str, rows: Sequence[Row]) -> str:
    """Return a message with rows; `summary` is one line."""
    lines = (json.dumps(row, ensure_ascii=False) for row in rows)
    return "\n".join((summary, *lines))


def summary_of(alert: Alert) -> str:
    """Return the message of an alert without rows."""
    return split_rows(alert)[0]


def split_rows(alert: Alert) -> tuple[str, list[Row]]:
    """Return the summary and the rows of a message; no rows for an alert that is of no watch."""
    if alert.cause not in WITH_ROWS:
        return alert.message, []
    summary, *lines = alert.message.split("\n")
    return summary, [json.loads(line) for line in lines]


def describe_row(row: Row) -> str:
    """Return the values of a row, each with its column, but for nulls."""
    return ", ".join(f"{name}: {value}" for name, value in row.items() if value is not None)
