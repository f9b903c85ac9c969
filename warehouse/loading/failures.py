"""What happens with a landing that was not loaded: it is set aside with an alert, or tried again."""

from __future__ import annotations

import contextlib
from collections.abc import Collection
from datetime import datetime
from typing import Final

from warehouse.landing.inventory import set_aside
from warehouse.landing.reader import CorruptLanding, read_header
from warehouse.loading.run import LoadReport
from warehouse.state.alerts import Alert, AlertStore

UNREADABLE: Final = "landing.unreadable"
RETRY_ADVICE: Final = "run `floorline maintain retry` to try it again"


def settle_failure(error: CorruptLanding, alerts: AlertStore, now: datetime) -> LoadReport:
    """Report a landing of this machine that was not loaded; set it aside where it is not tried again."""
    if not error.may_heal:
        set_aside(error)
    return report_failure(error, alerts, now)


def report_failure(error: CorruptLanding, alerts: AlertStore, now: datetime) -> LoadReport:
    """Report a landing that was not loaded; raise an alert where it is not tried again by itself."""
    run_id, source, basket = error.folder.name, "", ""
    with contextlib.suppress(ValueError, OSError):
        header = read_header(error.folder)
        source, basket = header.source, header.basket
    if error.may_heal:
        return LoadReport(run_id, source, basket, state="waiting", reason=error.reason)
    alert = Alert(
        cause=UNREADABLE,
        source=source,
        subject=run_id,
        message=error.reason,
        guidance=RETRY_ADVICE,
        run_id=run_id,
    )
    alerts.raise_alert(alert, now)
    return LoadReport(run_id, source, basket, state="unreadable", reason=error.reason)


def close_alerts(loaded: Collection[str], alerts: AlertStore, now: datetime) -> None:
    """Close the alerts of landings that were set aside, of runs that are loaded now."""
    for alert in alerts.list_alerts(open_only=True):
        if alert.cause == UNREADABLE and alert.subject in loaded:
            alerts.resolve(UNREADABLE, alert.source, alert.subject, now=now)
