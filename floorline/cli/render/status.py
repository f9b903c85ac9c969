"""Print the result of `floorline status`: the baskets, the database, the quotas and the open alerts."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from common.text import format_duration
from floorline.cli.json_output import print_result
from floorline.cli.outputs.status import BasketOutput, LandingOutput, MonthOutput, StatusOutput
from floorline.cli.render.runs import print_alerts
from floorline.console import format_cell, print_line, print_table
from pipelines.config import BasketSettings, Settings
from pipelines.planning.quota import MonthUsageReport
from warehouse.landing.inventory import Landing
from warehouse.landing.reader import CorruptLanding
from warehouse.loading.rejects import UNUSABLE
from warehouse.state.alerts import Alert

STATUS: Final = ("basket", "last success", "age", "every", "last state", "rows", "changed", "requests")


@dataclasses.dataclass(frozen=True, slots=True)
class StatusReport:
    """What `floorline status` prints: last runs, open alerts, landings that are not loaded, quotas.

    Times are UTC. `landings_aside` are the landings that are set aside. `holds` says until when a source
    asked to send nothing, by source; `set_aside` are the baskets whose last landing could not be loaded, each
    with its source.
    """

    runs: Sequence[dict[str, Any]]
    alerts: Sequence[Alert]
    pending: Sequence[Landing]
    landings_aside: Sequence[CorruptLanding]
    published_at: datetime | None
    now: datetime
    months: Sequence[MonthUsageReport] = ()
    holds: Mapping[str, datetime] = dataclasses.field(default_factory=dict)
    set_aside: Collection[tuple[str, str]] = ()


def print_status(settings: Settings, report: StatusReport, *, as_json: bool) -> None:
    """Print the status as tables and lines, or as JSON."""
    last = {(run["basket"], run["source"]): run for run in report.runs}
    rows = [
        _basket_row(basket, last.get((basket.name, basket.source)), report) for basket in settings.baskets
    ]
    if as_json:
        print_result("status", _status_output(settings, rows, report))
        return
    cells = [(*row[:2], _format_age(row), format_duration(row[3]), *row[4:]) for row in rows]
    print_table(STATUS, cells, noun="basket")
    print_line(_describe_database(settings, report))
    for month in report.months:
        print_line(_format_usage(month))
    for source, until in report.holds.items():
        print_line(f"{source}: asked to send nothing until {format_cell(until)} UTC, and no run does")
    if report.pending:
        print_line(_describe_pending(report))
    for error in report.landings_aside:
        print_line(f"a landing is set aside, {error}: `floorline maintain retry` tries it again")
    if report.alerts:
        print_alerts(report.alerts, as_json=False)


def _status_output(settings: Settings, rows: Sequence[tuple[Any, ...]], report: StatusReport) -> StatusOutput:
    return StatusOutput(
        baskets=tuple(
            _basket_output(basket.source, row) for basket, row in zip(settings.baskets, rows, strict=True)
        ),
        published_at=report.published_at,
        months=tuple(map(MonthOutput.from_report, report.months)),
        holds=report.holds,
        alerts=tuple(report.alerts),
        landings_waiting=tuple(landing.header.run_id for landing in report.pending),
        landings_set_aside=tuple(
            LandingOutput(error.folder.name, error.reason) for error in report.landings_aside
        ),
    )


def _basket_output(source: str, row: tuple[Any, ...]) -> BasketOutput:
    name, success, age, every, state, *counts = row
    seconds = (age and age.total_seconds(), every.total_seconds(), _is_late(row))
    return BasketOutput(name, source, success, *seconds, state, *counts)


def _describe_database(settings: Settings, report: StatusReport) -> str:
    path = settings.root / "market.duckdb"
    if report.published_at is None:
        return f"database: {path}, not published yet"
    age = format_duration(report.now - report.published_at)
    return f"database: {path}, published {format_cell(report.published_at)} ({age} ago)"


def _format_usage(month: MonthUsageReport) -> str:
    pace = f"{month.a_day:,.0f} a day"
    if month.limit is None:
        return f"{month.source}: {month.used:,} requests this month, {pace}"
    end = f"used up on {format_cell(month.ends_at)} UTC" if month.ends_at else "enough for the month"
    return f"{month.source}: {month.used:,} of the month's {month.limit:,} requests, {pace}: {end}"


def _describe_pending(report: StatusReport) -> str:
    since = format_cell(min(run.header.started_at for run in report.pending))
    count = "1 landing is" if len(report.pending) == 1 else f"{len(report.pending)} landings are"
    return f"{count} not loaded, since {since}: the next run or `floorline maintain load` loads them"


def _basket_row(basket: BasketSettings, run: dict[str, Any] | None, report: StatusReport) -> tuple[Any, ...]:
    """Return the values of STATUS, with the age and the interval as timedeltas."""
    set_aside = (basket.name, basket.source) in report.set_aside
    if run is None:
        state = UNUSABLE if set_aside else "never ran"
        return (basket.name, None, None, basket.every, state, None, None, None)
    success = run["last_success"]
    age = report.now - success if success else None
    counts = (run["rows_fetched"], run["rows_changed"], run["requests"])
    state = UNUSABLE if set_aside else run["last_state"]
    return (basket.name, success, age, basket.every, state, *counts)


def _is_late(row: tuple[Any, ...]) -> bool | None:
    """Return whether the last success is older than three intervals; None if there was no success."""
    age, every = row[2:4]
    return None if age is None else age > 3 * every


def _format_age(row: tuple[Any, ...]) -> str | None:
    age = row[2]
    return None if age is None else f"{format_duration(age)}{', late' if _is_late(row) else ''}"
