"""What `floorline status` prints: each basket against its interval, and what stands open beside them."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from common.text import format_duration
from floorline.cli.render.runs import print_alerts
from floorline.console import format_cell, print_line, print_table, to_json
from pipelines.config import BasketSettings, Settings
from pipelines.planning.quota import MonthUsageReport
from warehouse.landing.reader import LandedRun
from warehouse.state.alerts import Alert


@dataclasses.dataclass(frozen=True, slots=True)
class StatusReport:
    """What `floorline status` tells: each basket's last run, what stands open, and the months' use (UTC)."""

    runs: Sequence[dict[str, Any]]
    alerts: Sequence[Alert]
    waiting: Sequence[LandedRun]
    published_at: datetime | None
    now: datetime
    months: Sequence[MonthUsageReport] = ()


STATUS = ("basket", "last success", "age", "every", "last state", "rows", "changed", "requests")


def print_status(settings: Settings, found: StatusReport, *, as_json: bool) -> None:
    """Baskets, database, landings, alerts. JSON has lengths of time in seconds."""
    last = {(run["basket"], run["source"]): run for run in found.runs}
    rows = [
        _basket_row(basket, last.get((basket.name, basket.source)), found.now) for basket in settings.baskets
    ]
    if as_json:
        print_line(to_json(_status_json(rows, found)))
        return
    print_table(STATUS, [(*row[:2], _age(row), format_duration(row[3]), *row[4:]) for row in rows])
    print_line(_published(settings, found))
    for burn in found.months:
        print_line(_format_usage(burn))
    if found.waiting:
        print_line(_waiting(found))
    if found.alerts:
        print_alerts(found.alerts, as_json=False)


def _status_json(rows: Sequence[tuple[Any, ...]], found: StatusReport) -> dict[str, Any]:
    return {
        "baskets": [{**dict(zip(STATUS, row, strict=True)), "late": _late(row)} for row in rows],
        "published_at": found.published_at,
        "alerts": list(found.alerts),
        "landings_waiting": [run.header.run_id for run in found.waiting],
        "months": list(found.months),
    }


def _published(settings: Settings, found: StatusReport) -> str:
    path = settings.root / "market.duckdb"
    if found.published_at is None:
        return f"database: {path}, not published yet"
    ago = format_duration(found.now - found.published_at)
    return f"database: {path}, published {format_cell(found.published_at)} ({ago} ago)"


def _format_usage(burn: MonthUsageReport) -> str:
    pace = f"{burn.a_day:,.0f} a day"
    if burn.limit is None:
        return f"{burn.source}: {burn.used:,} requests this month, {pace}"
    end = f"used up on {format_cell(burn.ends_at)} UTC" if burn.ends_at else "enough for the month"
    return f"{burn.source}: {burn.used:,} of the month's {burn.limit:,} requests, {pace}: {end}"


def _waiting(found: StatusReport) -> str:
    since = format_cell(min(run.header.started_at for run in found.waiting))
    count = "1 landing waits" if len(found.waiting) == 1 else f"{len(found.waiting)} landings wait"
    return f"{count}, since {since}: loaded by the next run, or by `floorline maintain load`"


def _basket_row(basket: BasketSettings, run: dict[str, Any] | None, now: datetime) -> tuple[Any, ...]:
    """As `STATUS` has it; lengths of time as such."""
    if run is None:
        return (basket.name, None, None, basket.every, "never ran", None, None, None)
    success = run["last_success"]
    age = now - success if success else None
    counts = (run["rows_fetched"], run["rows_changed"], run["requests"])
    return (basket.name, success, age, basket.every, run["last_state"], *counts)


def _late(row: tuple[Any, ...]) -> bool | None:
    """Whether the last success is older than three intervals; unknown where there was none."""
    age, every = row[2:4]
    return None if age is None else age > 3 * every


def _age(row: tuple[Any, ...]) -> str | None:
    age = row[2]
    return None if age is None else f"{format_duration(age)}{', late' if _late(row) else ''}"
