"""The maintenance of the warehouse: what the configuration has sealed, and the alert about damage."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from pipelines.alerts.notify import deliver
from pipelines.config import Settings
from warehouse.maintenance.sealing import SealReport, seal
from warehouse.maintenance.verification import Verification, verify
from warehouse.state.alerts import Alert, AlertStore
from warehouse.state.database import open_state

DAMAGED: Final = "warehouse.damaged"
GUIDANCE: Final = "`floorline maintain verify` shows every problem, and what to do."


def seal_months(settings: Settings, now: datetime, *, every: bool = False) -> SealReport:
    """Seal the months that are over, where the database is larger than `seal_above`; or `every` such month.

    History that is older than `keep_history` is deleted before, and in the queue of a shared warehouse what
    was loaded before `keep_landings`. Raises what `load_pending` raises.
    """
    if settings.paths.shared is not None:
        from warehouse.landing.queue import LandingQueue  # only a shared warehouse has a queue

        LandingQueue(settings.paths.shared).prune(now, settings.warehouse.keep_landings)
    return seal(
        settings.paths,
        now,
        above=0 if every else settings.warehouse.seal_above,
        keep=settings.warehouse.keep_history,
        wait=settings.warehouse.lock_wait.total_seconds(),
    )


def verify_warehouse(settings: Settings, now: datetime) -> Verification:
    """Verify the warehouse; raise or resolve the alert about damage, and deliver it.

    Raises what `verify` raises.
    """
    paths = settings.paths
    report = verify(paths, settings.warehouse.lock_wait.total_seconds())
    alerts = AlertStore(open_state(paths))
    if report.problems:
        alerts.raise_alert(Alert(DAMAGED, "", "", report.problems[0], guidance=GUIDANCE), now)
    else:
        alerts.resolve(DAMAGED, "", "", now=now)
    deliver(settings, alerts, now)
    return report
