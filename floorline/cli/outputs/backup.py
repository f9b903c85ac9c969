"""The results of `floorline backup` and `floorline restore`."""

from __future__ import annotations

import dataclasses
from datetime import datetime
from pathlib import Path

from floorline.cli.outputs import copy_fields
from warehouse.backup.manifest import Counts, Manifest
from warehouse.backup.restore import RestoreResult


@dataclasses.dataclass(frozen=True, slots=True)
class BackupOutput:
    """A backup that is whole: when and by which version it was made, its schemas, and what it holds.

    `left_out` says what was not backed up, such as keys. A schema is null where there was no such file yet.
    """

    folder: str
    created_at: datetime
    floorline: str
    database_schema_version: int | None
    state_schema_version: int | None
    counts: Counts
    files: int
    size_bytes: int
    left_out: tuple[str, ...]

    @classmethod
    def from_manifest(cls, folder: Path, manifest: Manifest) -> BackupOutput:
        """Return the manifest of a backup as it is printed."""
        return cls(
            **copy_fields(
                cls, manifest, folder=str(folder), files=len(manifest.files), size_bytes=manifest.size
            )
        )


@dataclasses.dataclass(frozen=True, slots=True)
class RestoreOutput:
    """The warehouse at `root`, restored from `backup`.

    `aside` is the folder with the files that were there before, null if there were none. With `--check`,
    nothing was restored, and `root` is null.
    """

    root: str | None
    aside: str | None
    backup: BackupOutput

    @classmethod
    def from_result(cls, folder: Path, result: RestoreResult) -> RestoreOutput:
        """Return what was restored as it is printed."""
        backup = BackupOutput.from_manifest(folder, result.manifest)
        return cls(str(result.root), str(result.aside) if result.aside else None, backup)
