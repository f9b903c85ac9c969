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
"""

from __future__ import annotations

import dataclasses
import json
import os
import threading
from collections.abc import Iterable, Mapping
from datetime import datetime
from io import FileIO
from pathlib import Path
from typing import Any, Self

import polars as pl
import pyarrow as pa
from filelock import FileLock

from warehouse.home import sync_folder, write_whole

COMPRESSION = pa.ipc.IpcWriteOptions(compression=pa.Codec("zstd", compression_level=1))
FORMAT = b"floorline"


def to_json(value: object) -> bytes:
    """Dataclasses and moments as JSON."""

    def plain(item: object) -> object:
        if isinstance(item, datetime):
            return item.isoformat()
        if dataclasses.is_dataclass(item) and not isinstance(item, type):
            return dataclasses.asdict(item)
        raise TypeError(type(item).__name__)

    return json.dumps(value, default=plain, ensure_ascii=False).encode()


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


class ShardWriter:
    """Appends the pages of one shard; safe to call from several threads."""

    def __init__(self, folder: Path, header: ShardHeader) -> None:
        self.header = header
        self._folder = folder
        self._stem = f"{header.number:04}"
        self._file: FileIO | None = None
        self._stream: pa.ipc.RecordBatchStreamWriter | None = None
        self._pages: dict[tuple[int, int], tuple[int, PageMark]] = {}
        self._batches = 0
        self._lock = threading.Lock()

    def append(self, mark: PageMark, rows: pl.DataFrame, rejects: Iterable[tuple[str, str]] = ()) -> None:
        """Land one page: its typed rows and its (reason, raw text) rejects, durable on return."""
        table = rows.rechunk().to_arrow(compat_level=pl.CompatLevel.oldest())
        batches = table.to_batches() or [pa.RecordBatch.from_pylist([], schema=table.schema)]
        with self._lock:
            self._append_rejects(mark, rejects)
            stream, file = self._open(table.schema)
            stream.write_batch(batches[0], custom_metadata={FORMAT: to_json(mark)})
            os.fdatasync(file.fileno())
            self._pages[mark.request, mark.offset] = (self._batches, mark)
            self._batches += 1

    def finish(self, *, complete: bool, reason: str | None) -> None:
        """Say how the shard ended; without this it counts as torn."""
        with self._lock:
            if self._stream is not None and self._file is not None:
                self._stream.close()
                os.fdatasync(self._file.fileno())
                self._file.close()
            pages = sorted(self._pages.values(), key=lambda page: page[0])
            end = {"header": self.header, "complete": complete, "reason": reason, "pages": pages}
            write_whole(self._folder / f"{self._stem}.json", to_json(end))

    def _open(self, schema: pa.Schema) -> tuple[pa.ipc.RecordBatchStreamWriter, FileIO]:
        if self._stream is None or self._file is None:
            self._file = FileIO(self._folder / f"{self._stem}.arrow", "wb")
            described = schema.with_metadata({FORMAT: to_json(self.header)})
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
        self._lock = FileLock(self.folder / "lock")

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True)
        self._lock.acquire(timeout=0)
        write_whole(self.folder / "run.json", to_json(self.header))
        sync_folder(self.folder.parent)
        return self

    def __exit__(self, *_: object) -> None:
        self._lock.release()

    def shard(self, header: ShardHeader) -> ShardWriter:
        """Open a shard of this run."""
        return ShardWriter(self.folder, header)

    def add_catalog(self, name: str, rows: pl.DataFrame) -> None:
        """Keep a catalog (`items` or `providers`) beside the prices that were read with it."""
        partial = self.folder / f"{name}.arrow.partial"
        rows.write_ipc(partial)
        partial.replace(self.folder / f"{name}.arrow")

    def finish(self, state: str, **facts: object) -> None:
        """Say how the run ended: its state, and what else `runs` tells of it."""
        write_whole(self.folder / "done.json", to_json({"state": state, **facts}))
