"""What commands print: tables for people, JSON for machines; an API's strings are shown, not interpreted."""

from __future__ import annotations

import csv
import dataclasses
import json
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from connectors.errors import plain
from flows.results import RunResult
from warehouse.load import LoadReport
from warehouse.query import Answer
from warehouse.state import Alert

if TYPE_CHECKING:
    from flows.replay import Replayed
    from warehouse.maintain import Rebuilt


def as_json_text(value: object) -> str:
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


def line(text: str) -> None:
    """One line on stdout."""
    sys.stdout.write(text + "\n")


def table(columns: Sequence[str], rows: Sequence[Sequence[Any]], title: str | None = None) -> None:
    """Rows below their columns on stdout; numbers to the right."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    shown = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for number, column in enumerate(columns):
        numeric = all(isinstance(row[number], int | float | Decimal | None) for row in rows)
        long = any(len(cell(row[number])) > 24 for row in rows)
        side: Literal["right", "left"] = "right" if numeric and rows else "left"
        shown.add_column(column, justify=side, overflow="fold", no_wrap=not long)
    for row in rows:
        shown.add_row(*(Text(cell(value)) for value in row))
    console = Console(file=sys.stdout)
    if not console.is_terminal:
        console.width = 160
    console.print(shown)


def cell(value: object) -> str:
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
        return amount(value)
    return plain(str(value))


def amount(value: Decimal) -> str:
    """An exact amount with at least two places and no idle zeros behind them."""
    text = f"{value:f}"
    whole, _, places = text.partition(".")
    return f"{whole}.{places.rstrip('0').ljust(2, '0')}"


def complain(text: str) -> None:
    """One line on stderr, behind what stdout has said so far."""
    sys.stdout.flush()
    sys.stderr.write(f"floorline: {text}\n")


def results(found: Sequence[RunResult], *, as_json: bool) -> None:
    """What runs came to; the errors that ended some of them go to stderr."""
    if as_json:
        line(as_json_text([result.as_json() for result in found]))
    else:
        _results_table(found)
    for error in dict.fromkeys(str(result.error) for result in found if result.error):
        complain(error)


def _results_table(found: Sequence[RunResult]) -> None:
    columns = ("basket", "source", "state", "rows", "changed", "closed", "rejected", "requests", "quota left")
    table(columns, [_result_row(result) for result in found])
    for result in found:
        for remark in remarks(result):
            line(f"  {result.basket}: {remark}")


def _result_row(result: RunResult) -> tuple[Any, ...]:
    load = result.load
    counts = (
        (load.rows_fetched, load.rows_changed, load.rows_closed, load.rows_rejected) if load else (0, 0, 0, 0)
    )
    return (result.basket, result.source, result.state, *counts, result.requests, result.quota_remaining)


def remarks(result: RunResult) -> list[str]:
    """What a person should know of a run beyond its counts."""
    told = [result.incomplete_reason] if result.incomplete_reason and not result.error else []
    told += [f"the API sends a new field, {name} (in {n} rows)" for name, n in result.unknown_fields.items()]
    load = result.load
    if load is not None:
        told += [f"{held.provider}: {held.reason}; none of its quotes was closed" for held in load.held]
        told += [f"contract changed: {change}" for change in load.contract_changes]
        told += [
            f"ten times off: {o.market_hash_name}{f' ({o.phase})' if o.phase else ''} at {o.provider},"
            f" {amount(o.was)} -> {amount(o.price)} {o.currency}"
            for o in load.outliers
        ]
    return [plain(remark, 400) for remark in told]


def answer(found: Answer, *, as_json: bool, as_csv: bool = False) -> None:
    """Rows of a query."""
    if as_json:
        line(as_json_text(found.records()))
    elif as_csv:
        writer = csv.writer(sys.stdout)
        writer.writerow(found.columns)
        writer.writerows(found.rows)
    else:
        table(found.columns, found.rows)


def alerts(found: Sequence[Alert], *, as_json: bool) -> None:
    """A list of alerts."""
    if as_json:
        line(as_json_text(list(found)))
    elif not found:
        line("no alert stands open")
    else:
        columns = ("alert", "cause", "source", "subject", "since", "repeats", "message")
        table(
            columns,
            [
                (str(a.alert_id), a.cause, a.source, a.subject, a.opened_at, a.repeats, a.message)
                for a in found
            ],
        )


def alert(found: Alert, *, as_json: bool) -> None:
    """One alert, whole."""
    if as_json:
        line(as_json_text(found))
        return
    for name, value in dataclasses.asdict(found).items():
        if value is not None:
            line(f"{name:>10}  {cell(value)}")


def files(found: Sequence[Path], *, as_json: bool) -> None:
    """Files that were written."""
    line(as_json_text([str(path) for path in found]) if as_json else "\n".join(str(path) for path in found))


def loads(found: Sequence[LoadReport], *, as_json: bool) -> None:
    """Landings that were loaded."""
    if as_json:
        line(as_json_text(list(found)))
        return
    line(f"{len(found)} landings loaded" if found else "nothing waited")
    if found:
        columns = ("run", "basket", "state", "rows", "changed")
        table(columns, [(o.run_id, o.basket, o.state, o.rows_fetched, o.rows_changed) for o in found])


def rebuilt(done: Rebuilt, *, as_json: bool) -> None:
    """A rebuild."""
    if as_json:
        line(as_json_text(done))
    else:
        line(f"{done.runs} landings loaded into a new database; the old one is {done.aside or 'not there'}")


def replayed(done: Sequence[Replayed], *, as_json: bool) -> None:
    """Rejects that were read again."""
    if as_json:
        line(as_json_text(list(done)))
        return
    line("no reject fits by now" if not done else "")
    for one in done:
        line(f"{one.basket} {one.currency}: {one.fitting} of {one.read} rejects fit now and are loaded")
