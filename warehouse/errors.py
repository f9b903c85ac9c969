"""What can go wrong in the warehouse, by what to do about it; the landing waits in every case.

WarehouseError
├── WarehouseLocked    another process holds the database; end it, the next run loads what waits
├── WarehouseFull      no room on disk; make room, the next run loads what waits
└── WarehouseUnfit     the files are not what this version can work with
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import ClassVar


@dataclasses.dataclass
class WarehouseError(Exception):
    """The warehouse cannot be used."""

    detail: str
    path: Path | None = None

    guidance: ClassVar[str] = "look at the file named above"

    def __str__(self) -> str:
        """One line: what is wrong and what to do."""
        return f"{self.detail}; {self.guidance}"


@dataclasses.dataclass
class WarehouseLocked(WarehouseError):
    """Another process holds the database. `holder` names it where that is known."""

    holder: str = ""

    guidance: ClassVar[str] = "end that process or wait; what was fetched is landed and the next run loads it"

    __str__ = WarehouseError.__str__


@dataclasses.dataclass
class WarehouseFull(WarehouseError):
    """There is no room on disk."""

    guidance: ClassVar[str] = "make room; what was fetched is landed and the next run loads it"

    __str__ = WarehouseError.__str__


@dataclasses.dataclass
class WarehouseUnfit(WarehouseError):
    """The path cannot be written, or the files come from a newer Floorline."""

    guidance: ClassVar[str] = "set [warehouse] path to a folder of yours, or update Floorline"

    __str__ = WarehouseError.__str__
