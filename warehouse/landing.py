"""Landings: what a run fetched, durable page by page before anything else happens to it.

A landing is the folder of one run:

    lock                   held by the process that writes it; free once that process is gone
    run.json               who runs, written first
    0001.arrow             an Arrow IPC stream a shard, a record batch a page; a torn tail costs the last page
    0001.rejects.ndjson    rows that did not fit, with their raw text
    0001.json              how the shard ended, renamed into place
    items.arrow ...        catalogs that were fetched on the way
    done.json              how the run ended, renamed into place
    loaded                 written once the database holds the run
    unreadable             written instead where it cannot be loaded: why. Removed, the landing is tried again
"""

from __future__ import annotations

import dataclasses
import json
import os
import threading
from collections.abc import Iterable, Mapping
from datetime import datetime
from io import BytesIO, FileIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import polars as pl
import pyarrow as pa
from filelock import FileLock

from warehouse.errors import WarehouseError, on_disk
from warehouse.home import sync_folder, write_whole

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

# Against zstd: half the time to write and a third to read, for twice the room.
COMPRESSION = pa.ipc.IpcWriteOptions(compression="lz4")
FORMAT = b"floorline"
TEXT, MOMENT = pa.large_string(), pa.timestamp("us", "UTC")
# What every page holds: amounts in minor units (`lowest_ask`) and as exact decimals (`price`), times in UTC.
ROWS = pa.schema({
    "item_id": TEXT, "market_hash_name": TEXT, "phase": TEXT, "provider": TEXT, "delivery": TEXT,
    "lowest_ask": pa.int64(), "price": pa.decimal128(20, 8), "quantity": pa.int64(),
    "timestamp": MOMENT, "last_updated": MOMENT, "url": TEXT,
})  # fmt: skip


def to_json(value: object) -> bytes:
    """Dataclasses and moments as JSON; what is no character in a text becomes a question mark."""

    def plain(item: object) -> object:
        if isinstance(item, datetime):
            return item.isoformat()
        if dataclasses.is_dataclass(item) and not isinstance(item, type):
            return dataclasses.asdict(item)
        raise TypeError(type(item).__name__)

    return json.dumps(value, default=plain, ensure_ascii=False).encode(errors="replace")


@dataclasses.dataclass(frozen=True, slots=True)
class RunHeader:
    """Who runs. `started_at` is UTC by this machine's clock; `interval_seconds` is the basket's `every`."""

    run_id: str
    flow: str
    source: str
    basket: str
    started_at: datetime
    interval_seconds: int | None = None

    @classmethod
    def parse(cls, fields: Mapping[str, Any]) -> Self:
        """From the JSON of run.json."""
        return cls(**{**fields, "started_at": datetime.fromisoformat(fields["started_at"])})


@dataclasses.dataclass(frozen=True, slots=True)
class ShardHeader:
    """What a shard asks for.

    `items` holds (item_id or None, market_hash_name, phase or None); None stands for the whole catalog.
    """

    number: int
    currency: str
    delivery: str
    providers: tuple[str, ...]
    items: tuple[tuple[str | None, str, str | None], ...] | None

    @classmethod
    def parse(cls, fields: Mapping[str, Any]) -> Self:
        """From the JSON in the stream's schema."""
        items = fields["items"]
        return cls(
            number=fields["number"],
            currency=fields["currency"],
            delivery=fields["delivery"],
            providers=tuple(fields["providers"]),
            items=None if items is None else tuple((i, n, p) for i, n, p in items),
        )


@dataclasses.dataclass(frozen=True, slots=True)
class PageMark:
    """Where a page belongs: the newest page of the same (`request`, `offset`) is the one that counts.

    `observed_at` is the server's moment, `landed_at` this machine's; `total` is -1 where it is unknown.
    """

    request: int
    offset: int
    total: int
    observed_at: datetime
    landed_at: datetime
    fingerprint: str

    @classmethod
    def parse(cls, fields: Mapping[str, Any]) -> Self:
        """From the JSON of a record batch's metadata, or of the shard's end."""
        moments = {name: datetime.fromisoformat(fields[name]) for name in ("observed_at", "landed_at")}
        return cls(**{**fields, **moments})


class WholeFile(FileIO):
    """An unbuffered file that writes all it is given or raises; FileIO may write less without a word."""

    def write(self, content: ReadableBuffer, /) -> int:
        """Write all of `content`."""
        rest = memoryview(content).cast("B")
        while rest:
            rest = rest[super().write(rest) :]
        return memoryview(content).nbytes


class ShardWriter:
    """Appends the pages of one shard; safe to call from several threads.

    Once a page could not be written, every later one raises the same error: behind a torn page
    nothing is read.
    """

    def __init__(self, folder: Path, header: ShardHeader) -> None:
        self.header = header
        self._folder = folder
        self._stem = f"{header.number:04}"
        self._broken: WarehouseError | None = None
        self._file: WholeFile | None = None
        self._stream: pa.ipc.RecordBatchStreamWriter | None = None
        self._pages: dict[tuple[int, int], tuple[int, PageMark]] = {}
        self._batches = 0
        self._lock = threading.Lock()

    def append(self, mark: PageMark, rows: pl.DataFrame, rejects: Iterable[tuple[str, str]] = ()) -> None:
        """Land one page: its typed rows and its (reason, raw text) rejects, durable on return.

        Raises WarehouseFull, and TypeError for rows that have not the columns and types of ROWS.
        """
        table = rows.rechunk().to_arrow(compat_level=pl.CompatLevel.oldest())
        if not table.schema.equals(ROWS):
            raise TypeError(f"a page must have the columns {ROWS}, not {table.schema}")
        batches = table.to_batches() or [pa.RecordBatch.from_pylist([], schema=ROWS)]
        with self._lock:
            if self._broken is not None:
                raise self._broken
            try:
                with on_disk(self._folder):
                    self._land(mark, batches[0], rejects)
            except WarehouseError as error:
                self._broken = error
                raise

    def finish(self, *, complete: bool, reason: str | None) -> None:
        """Say how the shard ended; without this it counts as torn. Raises WarehouseFull."""
        with self._lock, on_disk(self._folder):
            if self._stream is not None and self._broken is None:
                self._stream.close()
            end = {
                "header": self.header,
                "complete": complete and self._broken is None,
                "reason": reason or (str(self._broken) if self._broken else None),
                "pages": sorted(self._pages.values(), key=lambda page: page[0]),
                "bytes": self._size(),
            }
            self.close()
            write_whole(self._folder / f"{self._stem}.json", to_json(end))

    def close(self) -> None:
        """Let go of the file."""
        if self._file is not None:
            self._file.close()

    def _land(self, mark: PageMark, batch: pa.RecordBatch, rejects: Iterable[tuple[str, str]]) -> None:
        self._append_rejects(mark, rejects)
        stream, file = self._open()
        stream.write_batch(batch, custom_metadata={FORMAT: to_json(mark)})
        os.fdatasync(file.fileno())
        self._pages[mark.request, mark.offset] = (self._batches, mark)
        self._batches += 1

    def _size(self) -> int:
        if self._file is None:
            return 0
        os.fdatasync(self._file.fileno())
        return self._file.tell()

    def _open(self) -> tuple[pa.ipc.RecordBatchStreamWriter, WholeFile]:
        if self._stream is None or self._file is None:
            self._file = WholeFile(self._folder / f"{self._stem}.arrow", "wb")
            described = ROWS.with_metadata({FORMAT: to_json(self.header)})
            self._stream = pa.ipc.new_stream(self._file, described, options=COMPRESSION)
            sync_folder(self._folder)
        return self._stream, self._file

    def _append_rejects(self, mark: PageMark, rejects: Iterable[tuple[str, str]]) -> None:
        lines = [
            to_json({"batch": self._batches, "observed_at": mark.observed_at, "reason": reason, "raw": raw})
            for reason, raw in rejects
        ]
        if lines:
            with (self._folder / f"{self._stem}.rejects.ndjson").open("ab") as file:
                file.write(b"\n".join(lines) + b"\n")
                file.flush()
                os.fdatasync(file.fileno())


class Landing:
    """A landing being written. Use as a context manager: its lock tells others that the run lives."""

    def __init__(self, root: Path, header: RunHeader) -> None:
        self.header = header
        self.folder = root / header.run_id
        self._shards: list[ShardWriter] = []
        self._lock = FileLock(self.folder / "lock")

    def __enter__(self) -> Self:
        with on_disk(self.folder):
            self.folder.mkdir(parents=True)
            self._lock.acquire(timeout=0)
            try:
                write_whole(self.folder / "run.json", to_json(self.header))
                sync_folder(self.folder.parent)
            except OSError:
                self._lock.release()
                raise
        return self

    def __exit__(self, *_: object) -> None:
        for shard in self._shards:
            shard.close()
        self._lock.release()

    def shard(self, header: ShardHeader) -> ShardWriter:
        """Open a shard of this run."""
        self._shards.append(ShardWriter(self.folder, header))
        return self._shards[-1]

    def add_catalog(self, name: str, rows: pl.DataFrame) -> None:
        """Keep a catalog (`items` or `providers`) beside the prices that were read with it."""
        content = BytesIO()
        rows.write_ipc(content)
        with on_disk(self.folder):
            write_whole(self.folder / f"{name}.arrow", content.getvalue())

    def finish(self, state: str, **facts: object) -> None:
        """Say how the run ended: its state, and what else `runs` tells of it."""
        with on_disk(self.folder):
            write_whole(self.folder / "done.json", to_json({"state": state, **facts}))
