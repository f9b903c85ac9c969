"""Seal the months that are over, under the loader's lock, and publish the database that reads their files."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from warehouse.database import open_writer, writer_lock
from warehouse.loading.pipeline import LOCK_WAIT, restored_alert
from warehouse.paths import WarehousePaths
from warehouse.publish import publish
from warehouse.quote_states import read_sealed_files
from warehouse.restoration import restore_writer
from warehouse.sealed_months import SealedMonth, find_damaged_files, remove_unused_files, seal_months
from warehouse.state.alerts import AlertStore


@dataclass(frozen=True, slots=True)
class SealReport:
    """The months that were sealed now, and a line for each sealed month whose file is damaged or missing."""

    sealed: tuple[SealedMonth, ...]
    damaged: tuple[str, ...]


def seal(paths: WarehousePaths, now: datetime, wait: float = LOCK_WAIT) -> SealReport:
    """Seal the months that are over, publish, verify the file of every sealed month, and delete unused files.

    Raises what `load_pending` raises.
    """
    with writer_lock(paths, wait):
        restored = restore_writer(paths, now)
        if restored is not None:
            AlertStore(paths.state).raise_alert(restored_alert(restored), now)
        with open_writer(paths.writer) as db:
            sealed = seal_months(db, now)
            damaged = tuple(f"{file} {damage}" for file, damage in find_damaged_files(db))
            used = set(read_sealed_files(db))
        if sealed:
            publish(paths)
        remove_unused_files(paths.sealed, used, now)
    return SealReport(tuple(sealed), damaged)
