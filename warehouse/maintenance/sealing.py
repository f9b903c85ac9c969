"""Seal the months that are over, under the loader's lock, and publish the database that reads their files."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from common.warehouse_errors import WarehouseError
from warehouse.database import open_reader, open_writer, writer_lock
from warehouse.loading.pipeline import LOCK_WAIT, restored_alert
from warehouse.maintenance.compaction import compact, count_used_bytes, is_worth_compacting
from warehouse.paths import WarehousePaths
from warehouse.publish import publish
from warehouse.restoration import restore_writer
from warehouse.sealing.files import remove_unused_files
from warehouse.sealing.months import seal_months
from warehouse.sealing.observed_items import find_item_files
from warehouse.sealing.parts import SealedMonth
from warehouse.sealing.retention import delete_history
from warehouse.state.alerts import AlertStore
from warehouse.state.database import open_state
from warehouse.views.quote_states import read_sealed_files


@dataclass(frozen=True, slots=True)
class SealReport:
    """The months that were sealed now: none where the database `is_small`.

    `database_bytes` is how much of the database's file was in use before. `deleted` counts the states that
    were older than the configuration keeps. `problems` are the steps of a lake's maintenance that failed:
    the next one tries them again.
    """

    database_bytes: int
    is_small: bool
    sealed: tuple[SealedMonth, ...]
    deleted: int = 0
    problems: tuple[str, ...] = ()


def seal(
    paths: WarehousePaths,
    now: datetime,
    *,
    above: int = 0,
    keep: timedelta | None = None,
    wait: float = LOCK_WAIT,
) -> SealReport:
    """Seal the months that are over, where the database has more than `above` bytes; compact and publish it.

    With `keep`, the history is deleted first that ended before the month which lies so long ago. Files that
    no database names any more are deleted, a day after the last one that did. Raises what `load_pending`
    raises.
    """
    if paths.shared is not None:
        return _seal_lake(paths, now, keep=keep, wait=wait)
    with writer_lock(paths, wait):
        restored = restore_writer(paths, now)
        if restored is not None:
            AlertStore(open_state(paths)).raise_alert(restored_alert(restored), now)
        with open_writer(paths.writer) as db:
            deleted = 0 if keep is None else delete_history(db, now, keep)
            size = count_used_bytes(db)
            sealed = [] if size <= above else seal_months(db, now)
        compacted = is_worth_compacting(paths.writer)
        if compacted:
            compact(paths.writer)
        if sealed or deleted or compacted or restored:
            publish(paths)
        remove_unused_files(paths.sealed, _find_named_files(paths), now)
    return SealReport(size, size <= above, tuple(sealed), deleted)


def _seal_lake(paths: WarehousePaths, now: datetime, *, keep: timedelta | None, wait: float) -> SealReport:
    """Seal the months that are over in a lake, whatever its size, and do what `maintain_lake` does."""
    from warehouse.lake.maintenance import maintain_lake  # only a shared warehouse needs it

    with writer_lock(paths, wait), open_writer(paths.loader_database) as db:
        deleted = 0 if keep is None else delete_history(db, now, keep)
        sealed = seal_months(db, now)
        report = maintain_lake(db, now)
    return SealReport(0, False, tuple(sealed), deleted, report.problems)


def _find_named_files(paths: WarehousePaths) -> set[Path]:
    """Return the files that the loader's database names, and the published copy if it can be read."""
    files: set[Path] = set()
    for database in (paths.writer, paths.published):
        with contextlib.suppress(WarehouseError), open_reader(database) as db:
            files |= set(read_sealed_files(db)) | {file.path for file in find_item_files(db, paths.sealed)}
    return files
