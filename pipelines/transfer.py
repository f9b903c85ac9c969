"""Move the warehouse of one machine to what its machines share: state, landings, and the database."""

from __future__ import annotations

from dataclasses import dataclass

from common.errors import ConfigError
from common.files import atomic_write
from common.warehouse_errors import SharedNotEmpty, TransferFailed, WarehouseLocked
from pipelines.config import Settings
from warehouse.database import writer_lock
from warehouse.database_files import temporary_database
from warehouse.export import export_duckdb
from warehouse.lake.location import LakeLocation, locate_lake
from warehouse.landing.inventory import is_being_written, list_landings
from warehouse.paths import WarehousePaths
from warehouse.published import is_published
from warehouse.state.database import open_state


@dataclass(frozen=True, slots=True)
class Transfer:
    """What was moved to the storage: rows of the state and of the database; landings are uploaded later.

    `database_rows` is 0 where an earlier call had copied them. `views` are the public views that were
    compared, by the number of their rows and a hash of them.
    """

    storage: str
    state_rows: int
    database_rows: int
    views: tuple[str, ...]


def move_warehouse(settings: Settings) -> Transfer:
    """Copy the warehouse in the configured folder to where [shared] says; then mark the folder as moved.

    Whoever is killed before the mark runs this again: each part is copied in one transaction, and is not
    copied twice. Raises ConfigError where [shared] is missing or the folder was moved before,
    WarehouseLocked while a run writes, SharedNotEmpty where the target has something else, and
    TransferFailed where a view of the copy differs.
    """
    shared = settings.paths
    if shared.shared is None:
        raise ConfigError("the configuration has no table [shared]: it says where to move the warehouse")
    local = WarehousePaths(settings.root)
    if local.moved.exists():
        raise ConfigError(f"{local.root} was moved before; `floorline status` shows the shared warehouse")
    wait = settings.warehouse.lock_wait.total_seconds()
    lake = locate_lake(shared.shared, shared.writer.parent)
    shared.prepare()
    with writer_lock(local, wait), writer_lock(shared, wait):
        _refuse_running(local)
        state_rows = _copy_state(local, shared)
        rows, views = _copy_database(local, lake) if is_published(local) else (0, ())
        atomic_write(local.moved, f"{shared.shared.storage}\n".encode())
    return Transfer(shared.shared.storage, state_rows, rows, views)


def _refuse_running(local: WarehousePaths) -> None:
    running = [folder.name for folder in list_landings(local.landing) if is_being_written(folder)]
    if running:
        raise WarehouseLocked(f"the run {running[0]} writes into {local.landing}", local.landing)


def _copy_state(local: WarehousePaths, shared: WarehousePaths) -> int:
    from warehouse.transfer.state import copy_state  # only this command needs it

    source, target = open_state(local), open_state(shared)
    if not source.exists():
        return 0
    target.create()
    return copy_state(source, target)


def _copy_database(local: WarehousePaths, lake: LakeLocation) -> tuple[int, tuple[str, ...]]:
    """Copy the published database into the lake; return how many rows, and which views are equal."""
    from warehouse.transfer.comparison import find_differences, fingerprint_views
    from warehouse.transfer.lake import copy_into_lake

    exported = local.writer.with_name("moving.duckdb")
    with temporary_database(exported):
        export_duckdb(local, exported)
        originals = fingerprint_views(exported)
        rows = copy_into_lake(exported, lake)
    different = find_differences(originals, fingerprint_views(lake))
    if not different:
        return rows or 0, tuple(originals)
    if rows is None:
        raise SharedNotEmpty(f"{lake} has runs of another warehouse")
    raise TransferFailed(f"the copy in {lake} answers {different[0]} differently")
