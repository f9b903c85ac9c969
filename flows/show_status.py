"""What `floorline status` prints: each basket against its interval, and what stands open beside them."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from flows.burn import Burn
from flows.config import BasketSettings, Settings
from flows.show import alerts, as_json_text, cell, line, table
from flows.spans import span
from warehouse.landed import LandedRun
from warehouse.state import Alert


@dataclasses.dataclass(frozen=True, slots=True)
class Status:
    """What `floorline status` tells: each basket's last run, what stands open, and the months' use (UTC)."""

    runs: Sequence[dict[str, Any]]
    alerts: Sequence[Alert]
    waiting: Sequence[LandedRun]
    published_at: datetime | None
    now: datetime
    months: Sequence[Burn] = ()


STATUS = ("basket", "last success", "age", "every", "last state", "rows", "changed", "requests")


def status(settings: Settings, found: Status, *, as_json: bool) -> None:
    """Baskets, database, landings, alerts. JSON has lengths of time in seconds."""
    last = {(run["basket"], run["source"]): run for run in found.runs}
    rows = [
        _basket_row(basket, last.get((basket.name, basket.source)), found.now) for basket in settings.baskets
    ]
    if as_json:
        line(as_json_text(_status_json(rows, found)))
        return
    table(STATUS, [(*row[:2], _age(row), span(row[3]), *row[4:]) for row in rows])
    line(_published(settings, found))
    for burn in found.months:
        line(_burnt(burn))
    if found.waiting:
        line(_waiting(found))
    if found.alerts:
        alerts(found.alerts, as_json=False)


def _status_json(rows: Sequence[tuple[Any, ...]], found: Status) -> dict[str, Any]:
    return {
        "baskets": [{**dict(zip(STATUS, row, strict=True)), "late": _late(row)} for row in rows],
        "published_at": found.published_at,
        "alerts": list(found.alerts),
        "landings_waiting": [run.header.run_id for run in found.waiting],
        "months": list(found.months),
    }


def _published(settings: Settings, found: Status) -> str:
    path = settings.root / "market.duckdb"
    if found.published_at is None:
        return f"database: {path}, not published yet"
    ago = span(found.now - found.published_at)
    return f"database: {path}, published {cell(found.published_at)} ({ago} ago)"


def _burnt(burn: Burn) -> str:
    pace = f"{burn.a_day:,.0f} a day"
    if burn.limit is None:
        return f"{burn.source}: {burn.used:,} requests this month, {pace}"
    end = f"used up on {cell(burn.ends_at)} UTC" if burn.ends_at else "enough for the month"
    return f"{burn.source}: {burn.used:,} of the month's {burn.limit:,} requests, {pace}: {end}"


def _waiting(found: Status) -> str:
    since = cell(min(run.header.started_at for run in found.waiting))
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
    return None if age is None else f"{span(age)}{', late' if _late(row) else ''}"
