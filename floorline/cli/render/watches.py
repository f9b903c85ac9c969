"""Print the watches, and what they find."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from floorline.cli.json_output import print_result
from floorline.cli.outputs.watches import WatchCheckOutput, WatchOutput
from floorline.cli.render.query import most_important, query_column
from floorline.console import print_columns, print_heading, print_line, print_table
from pipelines.watches.alerting import summarize
from pipelines.watches.runner import WatchResult
from warehouse.queries.watched_rows import WatchedRows

COLUMNS: Final = ("watch", "severity", "state", "since", "condition")


def print_watches(watches: Sequence[WatchOutput], *, as_json: bool) -> None:
    """Print a table of watches."""
    if as_json:
        print_result("watches list", watches)
        return
    if not watches:
        print_line("no watch is configured: docs/how-to-watch.md shows some")
        return
    rows = [(w.name, w.severity, w.state, w.opened_at, w.condition) for w in watches]
    print_table(COLUMNS, rows, noun=None, first=("watch", "state", "condition"), prose=("condition",))


def print_watch_results(results: Sequence[WatchResult], *, as_json: bool) -> None:
    """Print what each watch finds: a line, and its rows as a table."""
    if as_json:
        print_result("watches check", list(map(WatchCheckOutput.of, results)))
        return
    for number, result in enumerate(results):
        if number:
            print_line("")
        print_heading(f"{result.watch.name}: {_describe(result)}")
        if result.found.rows:
            _print_rows(result.found)


def _describe(result: WatchResult) -> str:
    if result.failure:
        return f"failed: {result.failure}"
    return summarize(result) if result.found.rows else "no row matches"


def _print_rows(found: WatchedRows) -> None:
    values = zip(*found.rows, strict=True)
    columns = [
        query_column(name, kind, cells)
        for name, kind, cells in zip(found.columns, found.kinds, values, strict=True)
    ]
    print_columns(columns, noun=None, others="--json shows the others", first=most_important(columns))
