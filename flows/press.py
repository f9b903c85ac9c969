"""Where answers become landed pages: in a thread, or for whole catalogs in a process of its own.

A catalog's pages take about as long to type as to fetch, and an interpreter does one thing at a time.
"""

from __future__ import annotations

import asyncio
import dataclasses
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Self

from connectors.base import Make
from connectors.frames import providers_of
from connectors.paging import Sheet
from connectors.shielded import to_the_end
from flows.apart import Apart, ProcessDied
from warehouse.errors import WarehouseError
from warehouse.landing import ShardWriter
from warehouse.pages import PageMark, ShardFile


@dataclasses.dataclass(frozen=True, slots=True)
class LandedPage:
    """What is left to know of a page that is on disk."""

    mark: PageMark
    sheet: Sheet
    rows: int
    providers: frozenset[str]
    unknown_fields: dict[str, int]


class Press:
    """Makes and lands pages one after another; `apart`: in a process of its own. Use it in one event loop."""

    def __init__(self, *, apart: bool) -> None:
        self._thread = None if apart else ThreadPoolExecutor(1, "press")
        self._process = Apart(__name__)

    async def __aenter__(self) -> Self:
        """Start the process, if it is to be one, while there is nothing to land yet."""
        if self._thread is None:
            self._process.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Finish what is in hand."""
        if self._thread is not None:
            self._thread.shutdown()
        await self._process.close()

    async def land(self, writer: ShardWriter, make: Make, landed_at: datetime) -> LandedPage:
        """Make a page and have it on disk, as landed at `landed_at` by our own clock; not to be interrupted.

        Raises what `make` raises, and WarehouseError.
        """
        return await to_the_end(self._land(writer, make, landed_at))

    async def _land(self, writer: ShardWriter, make: Make, landed_at: datetime) -> LandedPage:
        if self._thread is not None:
            loop = asyncio.get_running_loop()
            page = await loop.run_in_executor(self._thread, press, writer.file, make, landed_at)
        else:
            page = await self._apart(writer.file, make, landed_at)
        writer.landed(page.mark)  # answers come in the order of the calls
        return page

    async def _apart(self, file: ShardFile, make: Make, landed_at: datetime) -> LandedPage:
        try:
            return await self._process.run(press, file, make, landed_at)
        except ProcessDied:
            raise WarehouseError("the process that lands pages died, maybe for want of memory") from None


def press(file: ShardFile, make: Make, landed_at: datetime) -> LandedPage:
    """Make a page and append it to `file`."""
    page, sheet = make()
    rejects = tuple((reject.reason, reject.raw) for reject in page.rejects)
    mark = PageMark(
        page.request, page.offset, page.total, page.observed_at, landed_at, page.fingerprint, rejects
    )
    file.append(mark, page.rows)
    return LandedPage(mark, sheet, page.rows.height, providers_of(page.rows), page.unknown_fields)
