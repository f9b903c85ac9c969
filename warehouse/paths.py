"""The paths of a warehouse's files, and the check for free disk space."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import shutil
from pathlib import Path

from common.files import is_locked, translate_os_errors
from common.text import sanitize
from common.warehouse_errors import RestoreUnfinished, WarehouseFull, WarehouseMoved, WarehouseUnusable
from warehouse.lake.location import LakeLocation, locate_lake
from warehouse.shared import SharedLocation

Database = Path | LakeLocation  # a file of DuckDB, or a lake


@dataclasses.dataclass(frozen=True, slots=True)
class WarehousePaths:
    """The folder of one warehouse, and what its machines share, if there are several.

    No name of a file or folder in it comes from an API.
    """

    root: Path
    shared: SharedLocation | None = None

    @property
    def published(self) -> Path:
        """The read-only database for queries."""
        return self.root / "market.duckdb"

    @property
    def writer(self) -> Path:
        """The loader's database; only the loader opens it."""
        return self.root / "writer" / "market.duckdb"

    @property
    def loader_database(self) -> Database:
        """The database that the loader writes: its own file, or the lake of a shared warehouse."""
        if self.shared is not None:
            return self._lake(self.shared)
        self.refuse_moved()
        return self.writer

    @property
    def published_database(self) -> Database:
        """The database that readers open: the published copy, or the lake of a shared warehouse.

        Raises WarehouseMoved where there is the copy of before a warehouse was shared.
        """
        if self.shared is not None:
            return self._lake(self.shared)
        self.refuse_moved()
        return self.published

    def _lake(self, shared: SharedLocation) -> LakeLocation:
        return locate_lake(shared, self.writer.parent)

    @property
    def moved(self) -> Path:
        """The file that says to which storage `floorline migrate` moved this warehouse."""
        return self.root / "moved"

    def refuse_moved(self) -> None:
        """Raise WarehouseMoved where this warehouse is a shared one, and `shared` does not say so."""
        if self.shared is None and self.moved.exists():
            with translate_os_errors(self.moved):
                storage = sanitize(self.moved.read_text("utf-8", errors="replace").strip(), 300)
            raise WarehouseMoved(f"{self.root} was moved to {storage}", self.root)

    @property
    def checksum(self) -> Path:
        """The file with the checksum of the database that was published last."""
        return self.root / "writer" / "checksum"

    @property
    def lock(self) -> Path:
        """The lock file of the one writer."""
        return self.root / "writer" / "lock"

    @property
    def watch_lock(self) -> Path:
        """The lock file of the process that runs the watches."""
        return self.root / "writer" / "watches.lock"

    @property
    def landing(self) -> Path:
        """The folder of the landings, one folder per run."""
        return self.root / "landing"

    @property
    def fetched(self) -> Path:
        """The folder of the landings that the loader of a shared warehouse has downloaded."""
        return self.root / "fetched"

    @property
    def sealed(self) -> Path:
        """The folder of the sealed months; see warehouse.sealing."""
        return self.root / "sealed"

    @property
    def reports(self) -> Path:
        """The folder of the nightly reports."""
        return self.root / "reports"

    @property
    def catalog(self) -> Path:
        """The folder of the cached catalogs, one folder per source."""
        return self.root / "catalog"

    @property
    def state(self) -> Path:
        """The SQLite file that all processes share: alerts, rate limits, backfills."""
        return self.root / "state.db"

    @property
    def restoring(self) -> Path:
        """The folder of a restore that runs, or was interrupted."""
        return self.root / "restore.partial"

    @property
    def restore_plan(self) -> Path:
        """The file of a restore that can only go on."""
        return self.restoring / "plan.json"

    @property
    def folders(self) -> tuple[Path, ...]:
        """The folders that a run writes to, each after the one that holds it."""
        return self.root, self.writer.parent, self.landing, self.catalog

    def prepare(self) -> None:
        """Create the folders; from now on, no other user can read what this process creates.

        Raises WarehouseUnusable or WarehouseFull where that fails, RestoreUnfinished, and WarehouseMoved.
        """
        if self.restore_plan.exists() or (self.restoring.exists() and is_locked(self.lock)):
            raise RestoreUnfinished(f"a restore into {self.root} is not finished", self.restoring)
        self.refuse_moved()
        self.create_folders()

    def create_folders(self) -> None:
        """Create the folders as `prepare` does, also during a restore."""
        os.umask(os.umask(0o077) | 0o077)
        with contextlib.suppress(OSError):  # missing, or of another user
            self.state.chmod(0o600)  # an older version left it to the umask
        with translate_os_errors(self.root):
            for folder in self.folders:
                try:
                    folder.mkdir(parents=True, exist_ok=True)
                except FileExistsError:
                    kind = "a link to nothing" if folder.is_symlink() else "a file"
                    raise WarehouseUnusable(f"{folder} is {kind}, not a folder", self.root) from None
        if not os.access(self.root, os.W_OK):
            raise WarehouseUnusable(f"cannot write to {self.root}: permission denied", self.root)

    def ensure_free_space(self, least: int) -> None:
        """Raise WarehouseFull where less than `required_free_space(least)` is free."""
        required, free = self.required_free_space(least), shutil.disk_usage(self.root).free
        if free < required:
            raise WarehouseFull(
                f"{self.root} has {free / 1e6:.0f} MB free and a run needs {required / 1e6:.0f} MB", self.root
            )

    def required_free_space(self, least: int) -> int:
        """Return the bytes that a run needs: `least`, and twice the database for the load and its copy."""
        return least + (2 * self.writer.stat().st_size if self.writer.exists() else 0)
