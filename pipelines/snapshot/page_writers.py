"""Where answers become landed pages, in threads: those of a shard one after another.

Several threads, because each waits for the disk to have its page; meanwhile the next one is made.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Final, Self, TypeVar

from common.concurrency import run_to_completion
from common.errors import WriterProcessDied
from connectors.pages import PageBuilder, RawChunk, RawPage, TypedPage
from connectors.pagination import PageInfo
from connectors.shards import Shard
from pipelines.planning.model import SnapshotPlan
from pipelines.snapshot.worker_process import WorkerDied, WorkerProcess
from warehouse.landing.model import PageMeta, ShardHeader
from warehouse.landing.writer import ShardWriter

MAX_THREADS: Final = 4


@dataclasses.dataclass(frozen=True, slots=True)
class LandedPage:
    """What is left to know of a page, or of a piece of an answer, that is on disk."""

    mark: PageMeta
    sheet: PageInfo
    rows: int
    providers: frozenset[str]
    unknown_fields: dict[str, int]


class ThreadPageWriter:
    """Makes and lands pages, those of a shard one after another. Use it in one event loop."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(MAX_THREADS, "press")
        self._making: defaultdict[ShardWriter, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._landing: defaultdict[ShardWriter, asyncio.Lock] = defaultdict(asyncio.Lock)

    def close(self) -> None:
        """Finish what is in hand."""
        self._threads.shutdown()

    async def land(self, writer: ShardWriter, make: PageBuilder, landed_at: datetime) -> LandedPage:
        """Make a page and have it on disk, as landed at `landed_at` by our own clock; not to be interrupted.

        Raises what `make` raises, and WarehouseError.
        """
        return await run_to_completion(self._land(writer, make, landed_at))

    async def finish(self, writer: ShardWriter, *, complete: bool, reason: str | None) -> None:
        """Say how a shard ended, all of whose pages are landed. Raises WarehouseFull."""
        writer.finish(complete=complete, reason=reason)

    async def _land(self, writer: ShardWriter, make: PageBuilder, landed_at: datetime) -> LandedPage:
        loop = asyncio.get_running_loop()
        async with self._making[writer]:
            made, sheet = await loop.run_in_executor(self._threads, make)
        async with self._landing[writer]:  # who came first is first here, too
            return await loop.run_in_executor(self._threads, write_page, writer, made, sheet, landed_at)


def write_page(
    writer: ShardWriter, made: TypedPage | RawChunk | RawPage, sheet: PageInfo, landed_at: datetime
) -> LandedPage:
    """Land what was made."""
    match made:
        case TypedPage():
            return _write_typed_page(writer, made, sheet, landed_at)
        case RawPage():
            return _write_raw_page(writer, made, sheet, landed_at)
        case RawChunk():
            return _write_raw_chunk(writer, made, sheet, landed_at)


def _write_raw_page(writer: ShardWriter, told: RawPage, sheet: PageInfo, landed_at: datetime) -> LandedPage:
    mark = PageMeta(told.request, told.offset, told.total, told.observed_at, landed_at, told.fingerprint)
    writer.ndjson_writer.append_page(mark, told.rows, exact=told.exact, written=told.wire_names)
    return LandedPage(mark, sheet, len(told.rows), told.providers, {})


def _write_typed_page(
    writer: ShardWriter, page: TypedPage, sheet: PageInfo, landed_at: datetime
) -> LandedPage:
    from connectors.schemas import providers_in  # and all that types: not for lines

    rejects = tuple((reject.reason, reject.raw) for reject in page.rejects)
    mark = PageMeta(
        page.request, page.offset, page.total, page.observed_at, landed_at, page.fingerprint, rejects
    )
    writer.append(mark, page.rows)
    return LandedPage(mark, sheet, page.rows.height, providers_in(page.rows), page.unknown_fields)


def _write_raw_chunk(
    writer: ShardWriter, piece: RawChunk, sheet: PageInfo, landed_at: datetime
) -> LandedPage:
    mark = writer.ndjson_writer.append(
        *(piece.parts, piece.count if piece.exact else None),
        written=piece.wire_names,
        observed_at=piece.observed_at,
        landed_at=landed_at,
    )
    return LandedPage(mark, sheet, piece.count, piece.providers, {})


_T = TypeVar("_T")
# The shards that are being written, in that process; here there are none.
_writers: Final[dict[tuple[Path, int], ShardWriter]] = {}


class ProcessPageWriter:
    """Makes and lands pages one after another, of whatever shards. Use it in one event loop."""

    def __init__(self) -> None:
        self._process = WorkerProcess(__name__)

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

    async def land(self, writer: ShardWriter, make: PageBuilder, landed_at: datetime) -> LandedPage:
        """Do as `Press.land` does; `make` must be such as can be pickled. Raises PressDied, too."""
        return await self._run(_land, writer.folder, writer.header, make, landed_at)

    async def finish(self, writer: ShardWriter, *, complete: bool, reason: str | None) -> None:
        """Do as `Press.finish` does. Raises PressDied, too."""
        await self._run(_finish, writer.folder, writer.header, complete, reason)

    async def _run(self, work: Callable[..., _T], *args: object) -> _T:
        try:
            return await run_to_completion(self._process.run(work, *args))
        except WorkerDied as died:
            raise WriterProcessDied(f"the process that lands pages {died}") from None


def _land(folder: Path, header: ShardHeader, make: PageBuilder, landed_at: datetime) -> LandedPage:
    writer = _writers.setdefault((folder, header.number), ShardWriter(folder, header))
    return write_page(writer, *make(), landed_at)


def _finish(folder: Path, header: ShardHeader, complete: bool, reason: str | None) -> None:
    writer = _writers.pop((folder, header.number), None) or ShardWriter(folder, header)
    writer.finish(complete=complete, reason=reason)


# The process takes about as long to start as it saves on so many pages.
PROCESS_MIN_PAGES: Final = 200


class PageWriters:
    """The presses of a run. Use it in one event loop."""

    def __init__(self) -> None:
        self._here = ThreadPageWriter()
        self._apart = ProcessPageWriter()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        """Finish what is in hand."""
        self._here.close()
        await self._apart.close()

    def warm_up(self, plan: SnapshotPlan) -> None:
        """Have the process start where a plan is worth it."""
        if plan.requests >= PROCESS_MIN_PAGES and any(_is_picklable(shard) for shard in plan.shards):
            self._apart.start()

    def for_shard(self, shard: Shard) -> ThreadPageWriter | ProcessPageWriter:
        """The press for the pages of `shard`, the same for all of them."""
        return self._apart if self._apart.started and _is_picklable(shard) else self._here


def _is_picklable(shard: Shard) -> bool:
    """Whether what makes its pages can go to another process: what it wants of them would go with each."""
    return shard.route == "catalog" and shard.items is None
