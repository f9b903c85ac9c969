"""The maintenance of the warehouse as the configuration wants it: when months are sealed."""

from __future__ import annotations

from datetime import datetime

from pipelines.config import Settings
from warehouse.maintenance.sealing import SealReport, seal
from warehouse.paths import WarehousePaths


def seal_months(settings: Settings, now: datetime, *, every: bool = False) -> SealReport:
    """Seal the months that are over, where the database is larger than `seal_above`; or `every` such month.

    Raises what `load_pending` raises.
    """
    return seal(
        WarehousePaths(settings.root),
        now,
        above=0 if every else settings.warehouse.seal_above,
        wait=settings.warehouse.lock_wait.total_seconds(),
    )
