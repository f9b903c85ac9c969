"""The month of each source: how many requests are used, and whether they last until its end."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from connectors.ratelimit.ledger_tables import MonthUsage, add_months
from dashboard.charts.burn import BurnChart
from dashboard.charts.steps import Step
from dashboard.pages.page import Chart
from dashboard.prepared import PreparedMarket
from dashboard.tables import Column, Row, Table
from pipelines.planning.quota import usage_report

DAY: Final = timedelta(days=1)
SELECT_SOURCES: Final = "SELECT DISTINCT source FROM runs ORDER BY source"
SELECT_LEFT: Final = """
SELECT coalesce(finished_at, started_at) AS time, quota_remaining, requests FROM runs
WHERE source = $source AND started_at >= $start AND coalesce(finished_at, started_at) <= $now
    AND quota_remaining IS NOT NULL
ORDER BY time
"""
COLUMNS: Final = (
    Column("source", "Source"),
    Column("used", "Used", "count"),
    Column("limit", "A month", "count", secondary=True),
    Column("left", "Left", "count"),
    Column("a_day", "A day", "count", secondary=True),
    Column("reported_at", "Reported", "moment", secondary=True),
    Column("ends_at", "Used up", "moment"),
    Column("resets_at", "Next month", "moment", secondary=True),
)
LEFT_COLUMNS: Final = (
    Column("time", "Time", "moment"),
    Column("used", "Used", "count"),
    Column("quota_remaining", "Left", "count"),
    Column("requests", "Requests of the run", "count"),
)


def read_quota(market: PreparedMarket) -> tuple[Table, list[Chart]]:
    """Return the months as a table, and each as a chart: their end counts back from the last report."""
    sources = [source for (source,) in market.rows(SELECT_SOURCES)]
    months = market.collector.months(sources)
    rows, charts = [], []
    for source, usage in months.items():
        now = usage.reported_at or market.newest
        if now is None:
            continue
        report = usage_report(source, usage, now)
        left = None if report.limit is None else max(report.limit - report.used, 0)
        rows.append(
            Row({
                "source": source, "used": report.used, "limit": report.limit, "left": left,
                "a_day": round(report.a_day), "reported_at": usage.reported_at, "ends_at": report.ends_at,
                "resets_at": usage.resets_at,
            })
        )  # fmt: skip
        charts.append(_draw(market, source, usage, now=now, a_day=report.a_day))
    note = "“Used up” is when no request is left at the rate of this month; a dash: they last until its end."
    return Table(
        "quota", "Requests of the month", COLUMNS, rows, empty="No source has reported its quota.",
        note=note if rows else "",
    ), charts  # fmt: skip


def _draw(market: PreparedMarket, source: str, usage: MonthUsage, *, now: datetime, a_day: float) -> Chart:
    usage = usage.as_of(now)
    first = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    end = usage.resets_at or add_months(first, 1)
    start = add_months(end, -1)
    rows = market.records(SELECT_LEFT, {"source": source, "start": start, "now": now})
    data = [
        {**row, "used": None if usage.limit is None else usage.limit - row["quota_remaining"]} for row in rows
    ]
    steps = [Step(row["time"], float(row["used"])) for row in data if row["used"] is not None]
    chart = BurnChart(
        f"Requests of the month to {source}",
        start,
        end,
        now,
        [*steps, Step(now, float(usage.used))],
        usage.used + a_day * ((end - now) / DAY),
        usage.limit,
    )
    name = f"quota-{source}"
    return Chart(
        name,
        chart.title,
        chart.draw(),
        Table(f"{name}-data", "", LEFT_COLUMNS, [Row(row) for row in data]),
        note="As the source reported them; dashed: where the rate of this month leads to.",
    )
