"""Prepare the warehouse for a run: its folders, and its state."""

from __future__ import annotations

from datetime import datetime

from pipelines.config import Settings
from warehouse.paths import WarehousePaths
from warehouse.state.mending import mend_state


def prepare_warehouse(settings: Settings, now: datetime) -> WarehousePaths:
    """Create the folders, and make a damaged `state.db` anew; return the paths. Raises WarehouseError."""
    paths = settings.paths
    paths.prepare()
    mend_state(paths, now)
    return paths
