"""Print the results of runs, loads, rebuilds and replays, and alerts."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from common.shards import item_label
from common.text import escape, format_amount, sanitize
from floorline.cli.json_output import print_result
from floorline.console import (
    format_cell,
    format_message,
    print_error,
    print_line,
    print_table,
)
from pipelines.alerts.causes import severity_of
from pipelines.alerts.rows import describe_row, summary_of
from pipelines.results import RunResult
from warehouse.loading.run import LoadReport
from warehouse.state.alerts import Alert

if TYPE_CHECKING:
    from pipelines.alerts.messages import AlertMessage
    from pipelines.replay import Replayed
    from warehouse.rebuild import RebuildResult

SHOWN_FIELDS: Final = 5
RESULT_COLUMNS: Final = (
    "basket", "source", "state", "rows", "changed", "closed", "rejected", "requests", "quota left",
)  # fmt: skip


def print_results(results: Sequence[RunResult], *, as_json: bool, quiet: bool = False) -> None:
    """Print the results of runs on stdout, and the errors that ended runs on stderr.

    With `quiet`, the table has only the runs that are not done, or about which there is something to say.
    """
    if quiet and not as_json:
        results = [result for result in results if result.exit_code or result_notes(result)]
    if as_json:
        from floorline.cli.outputs.runs import RunOutput

        print_result("snapshot", list(map(RunOutput.from_result, results)))
    elif results:
        print_table(RESULT_COLUMNS, [_result_row(result) for result in results], noun="basket")
        for result in results:
            for note in result_notes(result):
                print_line(f"  {result.basket}: {note}")
    for error in dict.fromkeys(str(result.error) for result in results if result.error):
        print_error(error)


def _result_row(result: RunResult) -> tuple[Any, ...]:
    load = result.load
    counts = (
        (load.rows_fetched, load.rows_changed, load.rows_closed, load.rows_rejected) if load else (0, 0, 0, 0)
    )
    return (result.basket, result.source, result.state, *counts, result.requests, result.quota_remaining)


def result_notes(result: RunResult) -> list[str]:
    """Return what the counts do not say about a run: its failures, new fields, changes and outliers."""
    notes = [result.incomplete_reason] if result.incomplete_reason and not result.error else []
    notes += [note for report in result.catalogs if (note := report.describe())]
    fields = [f"the API sends a new field, {name} (in {n} rows)" for name, n in result.unknown_fields.items()]
    notes += fields[:SHOWN_FIELDS]
    if len(fields) > SHOWN_FIELDS:
        notes.append(f"the API sends {len(fields) - SHOWN_FIELDS} more new fields; --json names them")
    load = result.load
    if load is not None:
        notes += [
            f"{escape(suspect.provider)}: {suspect.reason}; none of its quotes was closed"
            for suspect in load.held
        ]
        notes += [f"contract changed: {change}" for change in load.contract_changes]
        notes += [
            f"ten times off: {item_label(o.market_hash_name, o.phase)} at {escape(o.provider)},"
            f" {format_amount(o.was)} -> {format_amount(o.price)} {o.currency}"
            for o in load.outliers
        ]
    return [sanitize(note, 400) for note in notes]


def print_alerts(alerts: Sequence[Alert]) -> None:
    """Print a table of alerts."""
    if not alerts:
        print_line("no alert is open")
    else:
        columns = ("alert", "severity", "cause", "source", "subject", "since", "repeats", "message")
        rows = [
            (
                *(str(a.alert_id), severity_of(a), a.cause, a.source, a.subject, a.opened_at, a.repeats),
                summary_of(a),
            )
            for a in alerts
        ]
        print_table(columns, rows, noun="alert", first=("alert", "cause", "message"), prose=("message",))


def print_alert(message: AlertMessage, *, as_json: bool) -> None:
    """Print all fields of one alert, its severity, baskets and rows, its key's place, the command to run."""
    alert = message.alert
    details = {
        "severity": severity_of(alert),
        "baskets": message.baskets,
        "key": ", ".join(f"{place} ({setting})" for place, setting in message.keys) or None,
        "missed": "; ".join(map(str, message.missed)) or None,
        "command": message.command or None,
    }
    if as_json:
        from floorline.cli.outputs.operation import AlertOutput

        print_result("alerts show", AlertOutput.of(message))
        return
    fields = {**dataclasses.asdict(alert), "alert_id": str(alert.alert_id), **details}
    fields["message"] = summary_of(alert)
    fields["baskets"] = ", ".join(message.baskets) or None
    for name, value in fields.items():
        if value is not None:
            shown = format_message(value) if name in {"message", "guidance"} else format_cell(value)
            print_line(f"{name:>10}  {shown}")
    for row in message.rows:
        print_line(f"{'row':>10}  {format_message(describe_row(row))}")


def print_files(command: str, files: Sequence[Path], *, as_json: bool) -> None:
    """Print the paths of the files that a command has written."""
    if as_json:
        from floorline.cli.outputs.operation import FilesOutput

        print_result(command, FilesOutput(tuple(map(str, files))))
    else:
        print_line("\n".join(escape(str(file)) for file in files))


def print_loads(command: str, loads: Sequence[LoadReport], *, as_json: bool, quiet: bool) -> None:
    """Print the landings that `command` loaded on stdout, and a line on stderr for each that was not.

    With `quiet`, only the latter.
    """
    for load in loads:
        if not load.is_loaded:
            print_error(describe_failed_load(load))
    if as_json:
        print_result(command, loads)
    if as_json or quiet:
        return
    loaded = [load for load in loads if load.is_loaded]
    print_line(f"{len(loaded)} landings loaded" if loads else "there was no landing to load")
    if loaded:
        columns = ("run", "basket", "state", "rows", "changed")
        rows = [(run.run_id, run.basket, run.state, run.rows_fetched, run.rows_changed) for run in loaded]
        print_table(columns, rows, noun="landing")


def describe_failed_load(load: LoadReport) -> str:
    """Return the line of a landing that was not loaded."""
    retried = load.state == "waiting"
    advice = "the next run tries it again" if retried else "`floorline maintain retry` tries it again"
    what = "was not loaded" if retried else "is set aside"
    return f"the landing {load.run_id} {what}: {load.reason}; {advice}"


def print_rebuild(rebuild: RebuildResult, *, as_json: bool) -> None:
    """Print the result of a rebuild."""
    if as_json:
        print_result("maintain rebuild", rebuild)
        return
    old = f"the old one is {rebuild.aside}" if rebuild.aside else "there was no old one"
    older = f", {rebuild.taken_over} older runs taken over" if rebuild.taken_over else ""
    print_line(f"{rebuild.runs} landings loaded into a new database{older}; {old}")


def print_replay(replays: Sequence[Replayed], *, as_json: bool) -> None:
    """Print the rejects that were parsed again."""
    if as_json:
        print_result("rejects replay", replays)
        return
    print_line("" if replays else "no reject can be parsed yet")
    for replay in replays:
        print_line(
            f"{replay.basket} {replay.currency}: {replay.fitting} of {replay.read} rejects can be parsed now"
            " and are loaded"
        )
