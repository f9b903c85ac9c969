"""Results, alerts, loads."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from common.text import sanitize
from floorline.console import format_amount, format_cell, print_error, print_line, print_table, to_json
from pipelines.results import RunResult
from warehouse.loading.run import LoadReport
from warehouse.state.alerts import Alert

if TYPE_CHECKING:
    from pipelines.replay import Replayed
    from warehouse.maintenance import RebuildResult


def print_results(found: Sequence[RunResult], *, as_json: bool) -> None:
    """What runs came to; the errors that ended some of them go to stderr."""
    if as_json:
        print_line(to_json([result.as_json() for result in found]))
    else:
        _results_table(found)
    for error in dict.fromkeys(str(result.error) for result in found if result.error):
        print_error(error)


def _results_table(found: Sequence[RunResult]) -> None:
    columns = ("basket", "source", "state", "rows", "changed", "closed", "rejected", "requests", "quota left")
    print_table(columns, [_result_row(result) for result in found])
    for result in found:
        for remark in result_notes(result):
            print_line(f"  {result.basket}: {remark}")


def _result_row(result: RunResult) -> tuple[Any, ...]:
    load = result.load
    counts = (
        (load.rows_fetched, load.rows_changed, load.rows_closed, load.rows_rejected) if load else (0, 0, 0, 0)
    )
    return (result.basket, result.source, result.state, *counts, result.requests, result.quota_remaining)


def result_notes(result: RunResult) -> list[str]:
    """What a person should know of a run beyond its counts."""
    told = [result.incomplete_reason] if result.incomplete_reason and not result.error else []
    told += [f"the API sends a new field, {name} (in {n} rows)" for name, n in result.unknown_fields.items()]
    load = result.load
    if load is not None:
        told += [f"{held.provider}: {held.reason}; none of its quotes was closed" for held in load.held]
        told += [f"contract changed: {change}" for change in load.contract_changes]
        told += [
            f"ten times off: {o.market_hash_name}{f' ({o.phase})' if o.phase else ''} at {o.provider},"
            f" {format_amount(o.was)} -> {format_amount(o.price)} {o.currency}"
            for o in load.outliers
        ]
    return [sanitize(remark, 400) for remark in told]


def print_alerts(found: Sequence[Alert], *, as_json: bool) -> None:
    """A list of alerts."""
    if as_json:
        print_line(to_json(list(found)))
    elif not found:
        print_line("no alert stands open")
    else:
        columns = ("alert", "cause", "source", "subject", "since", "repeats", "message")
        print_table(
            columns,
            [
                (str(a.alert_id), a.cause, a.source, a.subject, a.opened_at, a.repeats, a.message)
                for a in found
            ],
        )


def print_alert(found: Alert, *, as_json: bool) -> None:
    """One alert, whole."""
    if as_json:
        print_line(to_json(found))
        return
    for name, value in dataclasses.asdict(found).items():
        if value is not None:
            print_line(f"{name:>10}  {format_cell(value)}")


def print_files(found: Sequence[Path], *, as_json: bool) -> None:
    """Files that were written."""
    print_line(to_json([str(path) for path in found]) if as_json else "\n".join(str(path) for path in found))


def print_loads(found: Sequence[LoadReport], *, as_json: bool) -> None:
    """Landings that were loaded."""
    if as_json:
        print_line(to_json(list(found)))
        return
    print_line(f"{len(found)} landings loaded" if found else "nothing waited")
    if found:
        columns = ("run", "basket", "state", "rows", "changed")
        print_table(columns, [(o.run_id, o.basket, o.state, o.rows_fetched, o.rows_changed) for o in found])


def print_rebuild(done: RebuildResult, *, as_json: bool) -> None:
    """A rebuild."""
    if as_json:
        print_line(to_json(done))
    else:
        print_line(
            f"{done.runs} landings loaded into a new database; the old one is {done.aside or 'not there'}"
        )


def print_replay(done: Sequence[Replayed], *, as_json: bool) -> None:
    """Rejects that were read again."""
    if as_json:
        print_line(to_json(list(done)))
        return
    print_line("no reject fits by now" if not done else "")
    for one in done:
        print_line(f"{one.basket} {one.currency}: {one.fitting} of {one.read} rejects fit now and are loaded")
