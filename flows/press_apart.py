"""The press of whole catalogs, in a process of its own.

To look at a page and to land it takes as long as to fetch it, and an interpreter does one thing at a time.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Final, TypeVar

from connectors.base import Make
from connectors.shielded import to_the_end
from flows.apart import Apart, ProcessDied
from flows.press import LandedPage, press
from warehouse.errors import PressDied
from warehouse.landing import ShardWriter
from warehouse.marks import ShardHeader

_T = TypeVar("_T")

# The shards that are being written, in that process; here there are none.
_writers: Final[dict[tuple[Path, int], ShardWriter]] = {}


class PressApart:
    """Makes and lands pages one after another, of whatever shards. Use it in one event loop."""

    def __init__(self) -> None:
        self._process = Apart(__name__)

    @property
    def started(self) -> bool:
        """Whether it was started."""
        return self._process.started

    def start(self) -> None:
        """Start the process: it takes as long as to fetch some pages."""
        self._process.start()

    async def close(self) -> None:
        """Finish what is in hand."""
        await self._process.close()

    async def land(self, writer: ShardWriter, make: Make, landed_at: datetime) -> LandedPage:
        """Do as `Press.land` does; `make` must be such as can be pickled. Raises PressDied, too."""
        return await self._done(_land, writer.folder, writer.header, make, landed_at)

    async def finish(self, writer: ShardWriter, *, complete: bool, reason: str | None) -> None:
        """Do as `Press.finish` does. Raises PressDied, too."""
        await self._done(_finish, writer.folder, writer.header, complete, reason)

    async def _done(self, work: Callable[..., _T], *args: object) -> _T:
        try:
            return await to_the_end(self._process.run(work, *args))
        except ProcessDied as died:
            raise PressDied(f"the process that lands pages {died}") from None


def _land(folder: Path, header: ShardHeader, make: Make, landed_at: datetime) -> LandedPage:
    writer = _writers.setdefault((folder, header.number), ShardWriter(folder, header))
    return press(writer, *make(), landed_at)


def _finish(folder: Path, header: ShardHeader, complete: bool, reason: str | None) -> None:
    writer = _writers.pop((folder, header.number), None) or ShardWriter(folder, header)
    writer.finish(complete=complete, reason=reason)
