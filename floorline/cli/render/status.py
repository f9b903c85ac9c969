"""Print the result of `floorline status`: the baskets, the database, the quotas and the open alerts."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any, Final

from common.text import format_duration, pluralize, sanitize
from floorline.cli.json_output import print_result
from floorline.cli.outputs.status import BasketOutput, LandingOutput, MonthOutput, StatusOutput
from floorline.cli.render.runs import print_alerts
from floorline.console import format_cell, print_line, print_table
from floorline.monitoring.problems import find_problems
from floorline.monitoring.status import BasketStatus, StatusReport, UpStatus
from pipelines.alerts.rows import summary_of
from pipelines.config import Settings
from pipelines.planning.quota import MonthUsageReport
from warehouse.state.ticks import describe_ticks

STATUS: Final = ("basket", "last success", "age", "every", "last state", "rows", "changed", "requests")


def print_status(settings: Settings, report: StatusReport, *, as_json: bool) -> None:
    """Print the status as tables and lines, or as JSON."""
    if as_json:
        print_result("status", _status_output(settings, report))
        return
    print_table(STATUS, [_cells(basket) for basket in report.baskets(settings)], noun="basket")
    for line in _describe_warehouse(settings, report):
        print_line(line)
    if report.alerts:
        print_alerts(report.alerts)


def print_problems(settings: Settings, report: StatusReport, *, quiet: bool) -> None:
    """Print one line for each problem, or one line that says that there is none, unless `quiet`."""
    problems = find_problems(settings, report)
    for problem in problems:
        print_line(f"{problem.kind}: {problem.message}")
    if not problems and not quiet:
        print_line(
            f"ok: {pluralize(len(settings.baskets), 'fresh basket')}, no open alert, every landing loaded"
        )


def _status_output(settings: Settings, report: StatusReport) -> StatusOutput:
    return StatusOutput(
        baskets=tuple(map(BasketOutput.from_status, report.baskets(settings))),
        published_at=report.published_at,
        months=tuple(map(MonthOutput.from_report, report.months)),
        holds=report.holds,
        alerts=tuple(dataclasses.replace(alert, message=summary_of(alert)) for alert in report.alerts),
        landings_waiting=tuple(landing.header.run_id for landing in report.pending),
        landings_set_aside=tuple(
            LandingOutput(landing.run_id, landing.reason) for landing in report.landings_aside
        ),
        up=report.up,
        problems=tuple(find_problems(settings, report)),
    )


def _describe_warehouse(settings: Settings, report: StatusReport) -> Iterator[str]:
    """Yield a line for each thing that the table does not show."""
    for basket in report.baskets(settings):
        for reason in describe_ticks(basket.missed):
            yield f"{basket.basket}: since the last success, {sanitize(reason)}"
    yield _describe_database(settings, report)
    if report.up is not None:
        yield _describe_up(report.up)
    yield from map(_format_usage, report.months)
    for source, until in report.holds.items():
        yield f"{source}: asked to send nothing until {format_cell(until)} UTC, and no run does"
    if report.pending:
        yield _describe_pending(report)
    for landing in report.landings_aside:
        yield f"a landing is set aside, {landing}: `floorline maintain retry` tries it again"


def _describe_up(up: UpStatus) -> str:
    paused = ", but its work pool is paused, and nothing runs" if up.pool_paused else ""
    return f"floorline up: {up.page} (PID {up.process_id}){paused}"


def _describe_database(settings: Settings, report: StatusReport) -> str:
    path = settings.root / "market.duckdb" if settings.shared is None else settings.paths.published_database
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


def _cells(basket: BasketStatus) -> tuple[Any, ...]:
    """Return the values of STATUS."""
    age = None
    if basket.age is not None:
        age = f"{format_duration(basket.age)}{', late' if basket.late else ''}"
    counts = (basket.rows_fetched, basket.rows_changed, basket.requests)
    return basket.basket, basket.last_success, age, format_duration(basket.every), basket.state, *counts
