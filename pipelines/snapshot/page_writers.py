"""Page writers: build the pages of a snapshot and land them, in threads or in a worker process."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Final, Self, TypeVar

from msgspec import Struct

from common.concurrency import run_to_completion
from common.warehouse_errors import WriterProcessDied
from common.worker_process import WorkerDied
from connectors.pages import PageBuilder, RawChunk, RawPage, TypedPage
from connectors.pagination import PageInfo
from connectors.shards import Shard
from pipelines.planning.model import SnapshotPlan
from pipelines.snapshot.async_worker import WorkerProcess
from warehouse.landing.model import PageMeta, ShardHeader
from warehouse.landing.writer import ShardWriter

MAX_THREADS: Final = 4  # a thread waits for the disk while another one builds the next page
PROCESS_MIN_PAGES: Final = 200  # so many pages save as much time as the start of the worker process takes
_T = TypeVar("_T")
# The open shards of the worker process; always empty in the main process.
_shard_writers: Final[dict[tuple[Path, int], ShardWriter]] = {}


class LandedPage(Struct, frozen=True):
    """What the extraction needs to know of a page, or of a chunk of a stream, that is on disk."""

    meta: PageMeta
    info: PageInfo
    rows: int
    providers: frozenset[str]
    unknown_fields: dict[str, int]


class ThreadPageWriter:
    """Builds and lands pages in threads, those of one shard in order. Use it in one event loop."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(MAX_THREADS, "page-writer")
        # Two locks per shard: the next page is built while this one is written.
        self._build_locks: defaultdict[ShardWriter, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._write_locks: defaultdict[ShardWriter, asyncio.Lock] = defaultdict(asyncio.Lock)

    def close(self) -> None:
        """Wait until all pages are written."""
        self._threads.shutdown()

    async def land(self, writer: ShardWriter, build: PageBuilder, landed_at: datetime) -> LandedPage:
        """Build a page and write it to disk, also if the caller is cancelled meanwhile.

        `landed_at` (UTC) is the time by our own clock. Raises what `build` raises, and WarehouseError.
        """
        return await run_to_completion(self._land(writer, build, landed_at))

    async def finish(self, writer: ShardWriter, *, complete: bool, reason: str | None) -> None:
        """Finish a shard whose pages are all landed. Raises WarehouseFull."""
        writer.finish(complete=complete, reason=reason)

    async def _land(self, writer: ShardWriter, build: PageBuilder, landed_at: datetime) -> LandedPage:
        loop = asyncio.get_running_loop()
        async with self._build_locks[writer]:
            page, info = await loop.run_in_executor(self._threads, build)
        async with self._write_locks[writer]:  # locks are fair: pages are written in the order of the calls
            write = partial(write_page, writer, page, info, landed_at=landed_at)
            return await loop.run_in_executor(self._threads, write)


def write_page(
    writer: ShardWriter, page: TypedPage | RawChunk | RawPage, info: PageInfo, *, landed_at: datetime
) -> LandedPage:
    """Write a page of any kind to its shard. Raises WarehouseError."""
    match page:
        case TypedPage():
            from connectors.schemas import providers_in  # imports polars, which raw pages do not need

            rejects = tuple((reject.reason, reject.raw) for reject in page.rejects)
            meta = _page_meta(page, landed_at, rejects)
            writer.append(meta, page.rows)
            rows, providers, unknown_fields = page.rows.height, providers_in(page.rows), page.unknown_fields
        case RawPage():
            rejects = tuple((reject.reason, reject.raw) for reject in page.rejects)
            meta = _page_meta(page, landed_at, rejects)
            writer.ndjson_writer.append_page(meta, page.rows, exact=page.exact, written=page.wire_names)
            rows, providers, unknown_fields = len(page.rows), page.providers, {}
        case RawChunk():
            meta = writer.ndjson_writer.append(
                page.parts,
                page.count if page.exact else None,
                written=page.wire_names,
                observed_at=page.observed_at,
                landed_at=landed_at,
            )
            rows, providers, unknown_fields = page.count, page.providers, {}
    return LandedPage(meta, info, rows, providers=providers, unknown_fields=unknown_fields)


def _page_meta(
    page: TypedPage | RawPage, landed_at: datetime, rejects: tuple[tuple[str, str], ...] = ()
) -> PageMeta:
    return PageMeta(
        page.request,
        page.offset,
        page.total,
        observed_at=page.observed_at,
        landed_at=landed_at,
        fingerprint=page.fingerprint,
        rejects=rejects,
    )


class ProcessPageWriter(WorkerProcess):
    """Builds and lands pages in one worker process, in the order of the calls. Use it in one event loop."""

    def __init__(self) -> None:
        super().__init__(__name__)

    async def land(self, writer: ShardWriter, build: PageBuilder, landed_at: datetime) -> LandedPage:
        """Do as `ThreadPageWriter.land`; `build` must be picklable. Raises WriterProcessDied, too."""
        return await self._run_to_completion(_land_in_worker, writer.folder, writer.header, build, landed_at)

    async def finish(self, writer: ShardWriter, *, complete: bool, reason: str | None) -> None:
        """Do as `ThreadPageWriter.finish`. Raises WriterProcessDied, too."""
        await self._run_to_completion(_finish_in_worker, writer.folder, writer.header, complete, reason)

    async def _run_to_completion(self, work: Callable[..., _T], *args: object) -> _T:
        try:
            return await run_to_completion(self.run(work, *args))
        except WorkerDied as error:
            raise WriterProcessDied(f"the process that lands pages {error}") from None


def _land_in_worker(folder: Path, header: ShardHeader, build: PageBuilder, landed_at: datetime) -> LandedPage:
    writer = _shard_writers.setdefault((folder, header.number), ShardWriter(folder, header))
    page, info = build()
    return write_page(writer, page, info, landed_at=landed_at)


def _finish_in_worker(folder: Path, header: ShardHeader, complete: bool, reason: str | None) -> None:
    writer = _shard_writers.pop((folder, header.number), None) or ShardWriter(folder, header)
    writer.finish(complete=complete, reason=reason)


class PageWriters:
    """The page writers of one run: threads, and a worker process for long extractions of catalogs."""

    def __init__(self) -> None:
        self._threads = ThreadPageWriter()
        self._process = ProcessPageWriter()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._threads.close()
        await self._process.close()

    def warm_up(self, plan: SnapshotPlan) -> None:
        """Start the worker process if the plan is long enough to profit from it."""
        if plan.requests >= PROCESS_MIN_PAGES and any(_is_picklable(shard) for shard in plan.shards):
            self._process.start()

    def for_shard(self, shard: Shard) -> ThreadPageWriter | ProcessPageWriter:
        """Return the page writer for all pages of a shard."""
        return self._process if self._process.started and _is_picklable(shard) else self._threads


def _is_picklable(shard: Shard) -> bool:
    """Return whether the page builders of a shard are cheap to pickle: those with items carry the items."""
    return shard.route == "catalog" and shard.items is None
