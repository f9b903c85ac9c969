"""Backups for tests: make one, lose the disk, restore, and compare everything that analysts can see."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from tests.support.clocks import NOON
from warehouse.backup.creation import create_backup
from warehouse.backup.manifest import Manifest
from warehouse.backup.restore import RestoreResult, restore_backup
from warehouse.database import connect_reader
from warehouse.export import PUBLIC_VIEWS
from warehouse.paths import WarehousePaths
from warehouse.state.alerts import Alert

ALERT = Alert("provider.dark", "cs2cap", "steam", "nothing came")
FACTS = ("store.item", "store.provider", "store.scope", "store.observation", "store.current", "store.history")
Dump = dict[str, list[tuple[Any, ...]]]


def back_up(paths: WarehousePaths, target: Path, **configuration: bytes) -> Manifest:
    """Back up a warehouse at noon; wait for no load."""
    return create_backup(paths, target, configuration, left_out=(), now=NOON, wait=0)


def restore(folder: Path, paths: WarehousePaths, *, replace: bool = False) -> RestoreResult:
    """Restore a backup at noon; wait for no load."""
    return restore_backup(folder, paths, replace=replace, now=NOON, wait=0)


def lose_disk(paths: WarehousePaths) -> None:
    """Delete a warehouse."""
    shutil.rmtree(paths.root)


def dump_views(paths: WarehousePaths) -> Dump:
    """Return the rows of every public view, and of the facts below them."""
    with connect_reader(paths.published) as db:
        db.execute("SET threads = 1")  # faster for a few rows
        names = [f'"{view}"' for (view,) in db.execute(PUBLIC_VIEWS).fetchall()]
        return {name: db.execute(f"FROM {name} ORDER BY ALL").fetchall() for name in [*names, *FACTS]}
