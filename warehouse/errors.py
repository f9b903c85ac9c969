"""What can go wrong in the warehouse, by what to do about it; the landing waits in every case.

WarehouseError
├── WarehouseLocked    another process holds the database; end it, the next run loads what waits
├── WarehouseFull      no room on disk; make room, the next run loads what waits
├── PressDied          the process that lands pages was killed; what had landed waits for the next run
├── BackfillBusy       another process runs this backfill; wait for it, or stop it
└── WarehouseUnfit     the files are not what this version can work with
    ├── NotPublished   there is nothing to read yet
    ├── AlreadyThere   what would be written exists
    └── NoBackfill     no backfill has this id
"""

# ruff: noqa: N818 - each name says what happened, which "Error" behind it would not make clearer

from __future__ import annotations

import contextlib
import dataclasses
import errno
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar


@dataclasses.dataclass(eq=False)
class WarehouseError(Exception):
    """The warehouse cannot be used."""

    detail: str
    path: Path | None = None

    guidance: ClassVar[str] = "look at the file named above"

    def __str__(self) -> str:
        """One line: what is wrong and what to do."""
        return f"{self.detail}; {self.guidance}"


@dataclasses.dataclass(eq=False)
class WarehouseLocked(WarehouseError):
    """Another process holds the database. `holder` names it where that is known."""

    holder: str = ""

    guidance: ClassVar[str] = "end that process or wait; what was fetched is landed and the next run loads it"


@dataclasses.dataclass(eq=False)
class WarehouseFull(WarehouseError):
    """There is no room on disk."""

    guidance: ClassVar[str] = "make room; what was fetched is landed and the next run loads it"


@dataclasses.dataclass(eq=False)
class PressDied(WarehouseError):
    """The process that lands pages was killed by somebody else, or could not be started."""

    guidance: ClassVar[str] = "see to free memory and run again; what had landed before is loaded then"


@dataclasses.dataclass(eq=False)
class BackfillBusy(WarehouseError):
    """Another process runs the backfill. `holder` names it where that is known."""

    holder: str = ""

    guidance: ClassVar[str] = "wait for it to end, or stop it; this one then goes on where it stopped"


@dataclasses.dataclass(eq=False)
class WarehouseUnfit(WarehouseError):
    """The path cannot be written, or the files are not a database that this version knows."""

    guidance: ClassVar[str] = "set [warehouse] path to a folder of yours, or update Floorline"


@dataclasses.dataclass(eq=False)
class NotPublished(WarehouseUnfit):
    """There is no database to read yet."""

    guidance: ClassVar[str] = "run `floorline snapshot` first"


@dataclasses.dataclass(eq=False)
class AlreadyThere(WarehouseUnfit):
    """A file or folder that would be written exists."""

    guidance: ClassVar[str] = "choose another name"


@dataclasses.dataclass(eq=False)
class NoBackfill(WarehouseUnfit):
    """No backfill has this id."""

    guidance: ClassVar[str] = "`floorline backfill list` shows those there are"


@contextlib.contextmanager
def on_disk(path: Path) -> Iterator[None]:
    """Turn the system's word of a full disk, or of one that cannot be written, into our errors."""
    try:
        yield
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise WarehouseFull(f"no space left on the disk of {path}", path) from None
        if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR}:
            raise WarehouseUnfit(
                f"cannot write to {error.filename or path}: {error.strerror}", path
            ) from None
        raise
