"""The manifest of a backup: the versions, counts and files of the moment, with a checksum of each file.

manifest.json        this manifest, with a checksum of its own
warehouse/           files of the warehouse, under the names that they have there
configuration/       floorline.toml and the files beside it, without secrets
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
from datetime import datetime
from importlib.metadata import version
from pathlib import Path, PurePosixPath
from typing import Final

from common.state_schema import SCHEMA_VERSION
from common.warehouse_errors import BackupDamaged, WarehouseUnusable
from warehouse.landing.integrity import DamagedFile, read_json, write_json
from warehouse.migration import newest_schema

FILE: Final = "manifest.json"
WAREHOUSE: Final = "warehouse"
CONFIGURATION: Final = "configuration"
FOLDERS: Final = frozenset({WAREHOUSE, CONFIGURATION})
FORMAT: Final = 1


@dataclasses.dataclass(frozen=True, slots=True)
class BackedUpFile:
    """A file of a backup: its path there, its size, its checksum, and its time in nanoseconds."""

    path: str
    bytes: int
    sha256: str
    modified_ns: int

    def name_in(self, folder: str) -> str | None:
        """Return the path below one of the folders of a backup; None for a file of another one."""
        first, _, name = self.path.partition("/")
        return name if first == folder else None


@dataclasses.dataclass(frozen=True, slots=True)
class Counts:
    """What a backup holds; `waiting` landings are in no database yet."""

    runs: int = 0
    quotes: int = 0
    changes: int = 0
    landings: int = 0
    waiting: int = 0
    open_alerts: int = 0
    backfills: int = 0


@dataclasses.dataclass(frozen=True, slots=True)
class Manifest:
    """A backup: when and by which version it was made, schemas, counts, files, and what is not in it.

    A schema is None where there was no such file yet. `published_mode` are the permissions of the published
    database.
    """

    created_at: datetime
    database_schema_version: int | None
    state_schema_version: int | None
    published_mode: int
    counts: Counts
    files: tuple[BackedUpFile, ...]
    left_out: tuple[str, ...] = ()
    floorline: str = dataclasses.field(default_factory=lambda: version("floorline"))
    format: int = FORMAT

    @property
    def size(self) -> int:
        """The size of all files in bytes."""
        return sum(file.bytes for file in self.files)


def describe_file(folder: Path, file: Path) -> BackedUpFile:
    """Return the description of a file in the folder of a backup, which is durable afterwards."""
    with file.open("rb") as content:
        digest = hashlib.file_digest(content, "sha256").hexdigest()
        os.fsync(content.fileno())
    status = file.stat()
    return BackedUpFile(file.relative_to(folder).as_posix(), status.st_size, digest, status.st_mtime_ns)


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write the manifest into the folder of a backup, durably."""
    write_json(folder / FILE, manifest)


def read_manifest(folder: Path) -> Manifest:
    """Read the manifest of a backup.

    Raises BackupDamaged where it is not what was written, and WarehouseUnusable where there is no backup, or
    one of a newer Floorline.
    """
    try:
        manifest = read_json(folder / FILE, Manifest)
    except (DamagedFile, OSError) as error:
        if not os.path.lexists(folder / FILE):
            raise WarehouseUnusable(f"{folder} is no backup, or not a whole one: it has no {FILE}") from None
        raise BackupDamaged(f"{folder / FILE} is not what was written", folder / FILE) from error
    _refuse_newer(folder, manifest)
    for file in manifest.files:
        path = PurePosixPath(file.path)
        if ".." in path.parts or path.parts[0] not in FOLDERS or path.as_posix() != file.path:
            raise BackupDamaged(f"{folder / FILE} names a file outside of the backup", folder / FILE)
    return manifest


def _refuse_newer(folder: Path, manifest: Manifest) -> None:
    known = ((manifest.format, FORMAT), (manifest.database_schema_version or 0, newest_schema()))
    if any(theirs > ours for theirs, ours in (*known, (manifest.state_schema_version or 0, SCHEMA_VERSION))):
        raise WarehouseUnusable(
            f"{folder} was made by Floorline {manifest.floorline}, which this version is too old to read"
        )


def find_damaged_file(folder: Path, manifest: Manifest) -> str | None:
    """Return what is wrong with the first file of a backup that is not what was written; None for none."""
    for file in manifest.files:
        try:
            found = describe_file(folder, folder / file.path)
        except OSError as error:
            return f"{folder / file.path} cannot be read: {error.strerror}"
        if (found.bytes, found.sha256) != (file.bytes, file.sha256):
            return f"{folder / file.path} does not match its checksum"
    return None


def verify_backup(folder: Path) -> Manifest:
    """Return the manifest of a backup whose files are all what was written.

    Raises what `read_manifest` raises; BackupDamaged also where a file is not.
    """
    manifest = read_manifest(folder)
    damage = find_damaged_file(folder, manifest)
    if damage is not None:
        raise BackupDamaged(damage, folder)
    return manifest
