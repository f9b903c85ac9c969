"""Where each file of the warehouse lies, and whether there is room for more."""

from __future__ import annotations

import dataclasses
import os
import shutil
from pathlib import Path

from common.errors import WarehouseFull, WarehouseUnusable
from common.files import translate_os_errors


@dataclasses.dataclass(frozen=True, slots=True)
class WarehousePaths:
    """The folder of one warehouse. Nothing in it is named by what an API said."""

    root: Path

    @property
    def published(self) -> Path:
        """The read-only database that everybody queries."""
        return self.root / "market.duckdb"

    @property
    def writer(self) -> Path:
        """The loader's database, which nobody else opens."""
        return self.root / "writer" / "market.duckdb"

    @property
    def lock(self) -> Path:
        """The file whose lock the one writer holds."""
        return self.root / "writer" / "lock"

    @property
    def landing(self) -> Path:
        """The folder with one folder a run."""
        return self.root / "landing"

    @property
    def catalog(self) -> Path:
        """The folder of the cached catalogs, one folder a source."""
        return self.root / "catalog"

    @property
    def state(self) -> Path:
        """SQLite: what several processes touch (alerts, budgets, backfills)."""
        return self.root / "state.db"

    def prepare(self) -> None:
        """Make the folders. Raise WarehouseUnfit or WarehouseFull where that cannot be done."""
        with translate_os_errors(self.root):
            for folder in (self.root, self.writer.parent, self.landing, self.catalog):
                try:
                    folder.mkdir(parents=True, exist_ok=True)
                except FileExistsError:
                    raise WarehouseUnusable(f"{folder} is a file, not a folder", self.root) from None
        if not os.access(self.root, os.W_OK):
            raise WarehouseUnusable(f"cannot write to {self.root}: permission denied", self.root)

    def ensure_free_space(self, least: int) -> None:
        """Raise WarehouseFull unless there is room for a run; see `room_wanted`."""
        need, free = self.required_free_space(least), shutil.disk_usage(self.root).free
        if free < need:
            raise WarehouseFull(
                f"{self.root} has {free / 1e6:.0f} MB free and a run wants {need / 1e6:.0f} MB", self.root
            )

    def required_free_space(self, least: int) -> int:
        """The bytes that a run wants free: `least`, a load and the published copy."""
        return least + (2 * self.writer.stat().st_size if self.writer.exists() else 0)
