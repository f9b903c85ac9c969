"""Alerts, the open ones first and with what to do, and the watches that found something."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from dashboard.tables import Column, Row, Table
from pipelines.alerts.causes import command_for
from pipelines.alerts.rows import WATCH_BROKEN, WITH_ROWS, split_rows
from warehouse.state.alerts import Alert

MOST_ALERTS: Final = 20
ALERT_COLUMNS: Final = (
    Column("state", "State"),
    Column("cause", "Cause"),
    Column("subject", "About", secondary=True),
    Column("message", "What happened"),
    Column("guidance", "What to do", secondary=True),
    Column("opened_at", "Since", "moment", secondary=True),
    Column("closed_at", "Over", "moment", secondary=True),
)
WATCH_COLUMNS: Final = (
    Column("watch", "Watch"),
    Column("state", "State"),
    Column("message", "What it found last"),
    Column("rows", "Rows", "count"),
    Column("opened_at", "Since", "moment", secondary=True),
    Column("closed_at", "Over", "moment", secondary=True),
)


def alert_table(alerts: Sequence[Alert]) -> Table:
    """Return the newest alerts; `alerts` has the open ones first."""
    rows = [
        Row({
            "state": "closed" if alert.closed_at else "open",
            "cause": alert.cause,
            "subject": alert.subject or alert.source,
            "message": split_rows(alert)[0],
            "guidance": "" if alert.closed_at else _what_to_do(alert),
            "opened_at": alert.opened_at,
            "closed_at": alert.closed_at,
        })
        for alert in alerts[:MOST_ALERTS]
    ]  # fmt: skip
    return Table("alerts", "Alerts", ALERT_COLUMNS, rows, empty="There was no alert.")


def watch_table(alerts: Sequence[Alert]) -> Table:
    """Return the last alert of each watch, with the state of the watch: "rows", "broken" or "quiet"."""
    last: dict[str, Alert] = {}
    for alert in alerts:
        if alert.cause in WITH_ROWS or alert.cause == WATCH_BROKEN:
            last.setdefault(alert.subject, alert)
    rows = []
    for watch, alert in sorted(last.items()):
        message, found = split_rows(alert)
        state = "quiet" if alert.closed_at else "broken" if alert.cause == WATCH_BROKEN else "rows"
        values = {"watch": watch, "state": state, "message": message, "rows": len(found)}
        rows.append(Row({**values, "opened_at": alert.opened_at, "closed_at": alert.closed_at}))
    note = "A watch that never found a row is in “floorline watches list” only."
    return Table("watches", "Watches", WATCH_COLUMNS, rows, empty="No watch has found a row yet.", note=note)


def _what_to_do(alert: Alert) -> str:
    command = f"Run “{command_for(alert)}”."
    return f"{alert.guidance} {command}" if alert.guidance else command
