"""Where answers become landed pages, in threads: those of a shard one after another.

Several threads, because each waits for the disk to have its page; meanwhile the next one is made.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Final

from connectors.base import Make, Page, Piece, Told
from connectors.paging import Sheet
from connectors.shielded import to_the_end
from warehouse.landing import ShardWriter
from warehouse.marks import PageMark

AT_ONCE: Final = 4


@dataclasses.dataclass(frozen=True, slots=True)
class LandedPage:
    """What is left to know of a page, or of a piece of an answer, that is on disk."""

    mark: PageMark
    sheet: Sheet
    rows: int
    providers: frozenset[str]
    unknown_fields: dict[str, int]


class Press:
    """Makes and lands pages, those of a shard one after another. Use it in one event loop."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(AT_ONCE, "press")
        self._making: defaultdict[ShardWriter, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._landing: defaultdict[ShardWriter, asyncio.Lock] = defaultdict(asyncio.Lock)

    def close(self) -> None:
        """Finish what is in hand."""
        self._threads.shutdown()

    async def land(self, writer: ShardWriter, make: Make, landed_at: datetime) -> LandedPage:
        """Make a page and have it on disk, as landed at `landed_at` by our own clock; not to be interrupted.

        Raises what `make` raises, and WarehouseError.
        """
        return await to_the_end(self._land(writer, make, landed_at))

    async def finish(self, writer: ShardWriter, *, complete: bool, reason: str | None) -> None:
        """Say how a shard ended, all of whose pages are landed. Raises WarehouseFull."""
        writer.finish(complete=complete, reason=reason)

    async def _land(self, writer: ShardWriter, make: Make, landed_at: datetime) -> LandedPage:
        loop = asyncio.get_running_loop()
        async with self._making[writer]:
            made, sheet = await loop.run_in_executor(self._threads, make)
        async with self._landing[writer]:  # who came first is first here, too
            return await loop.run_in_executor(self._threads, press, writer, made, sheet, landed_at)


def press(writer: ShardWriter, made: Page | Piece | Told, sheet: Sheet, landed_at: datetime) -> LandedPage:
    """Land what was made."""
    match made:
        case Page():
            return _land_page(writer, made, sheet, landed_at)
        case Told():
            return _land_told(writer, made, sheet, landed_at)
        case Piece():
            return _land_piece(writer, made, sheet, landed_at)


def _land_told(writer: ShardWriter, told: Told, sheet: Sheet, landed_at: datetime) -> LandedPage:
    mark = PageMark(told.request, told.offset, told.total, told.observed_at, landed_at, told.fingerprint)
    writer.lines.append_page(mark, told.rows, exact=told.exact, written=told.written)
    return LandedPage(mark, sheet, len(told.rows), told.providers, {})


def _land_page(writer: ShardWriter, page: Page, sheet: Sheet, landed_at: datetime) -> LandedPage:
    from connectors.frames import providers_of  # and all that types: not for lines

    rejects = tuple((reject.reason, reject.raw) for reject in page.rejects)
    mark = PageMark(
        page.request, page.offset, page.total, page.observed_at, landed_at, page.fingerprint, rejects
    )
    writer.append(mark, page.rows)
    return LandedPage(mark, sheet, page.rows.height, providers_of(page.rows), page.unknown_fields)


def _land_piece(writer: ShardWriter, piece: Piece, sheet: Sheet, landed_at: datetime) -> LandedPage:
    mark = writer.lines.append(
        *(piece.parts, piece.count if piece.exact else None),
        written=piece.written,
        observed_at=piece.observed_at,
        landed_at=landed_at,
    )
    return LandedPage(mark, sheet, piece.count, piece.providers, {})
