"""Landings: what a run fetched, durable page by page before anything else happens to it.

A landing is the folder of one run:

    lock                   held by the process that writes it; free once that process is gone
    run.json               who runs, written first
    0001.arrow             an Arrow IPC stream a shard, a record batch a page, its rejects in the metadata;
                           a torn tail costs the last page
    0001.json              how the shard ended, renamed into place
    0001.lines.zst ...     instead, for an answer that is landed as it came: see warehouse/landing/ndjson.py
    items.arrow ...        catalogs that were fetched on the way
    done.json              how the run ended, renamed into place
    loaded                 written once the database holds the run
    unreadable             written instead where it cannot be loaded: why. Removed, the landing is tried again
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Self

from filelock import FileLock

from common.files import atomic_write, fsync_directory, to_json, translate_os_errors
from warehouse.landing.model import PageMeta, RunHeader, ShardHeader
from warehouse.landing.ndjson import NdjsonShardWriter

if TYPE_CHECKING:
    import polars as pl

    from warehouse.landing.arrow import ArrowShardWriter


class ShardWriter:
    """Keeps count of the pages of one shard, which lie in `file`; or has `lines` landed instead."""

    def __init__(self, folder: Path, header: ShardHeader) -> None:
        self.folder, self.header = folder, header
        self.lines = NdjsonShardWriter(folder, header)
        self._pages: dict[tuple[int, int], tuple[int, PageMeta]] = {}
        self._batches = 0

    @cached_property
    def file(self) -> ArrowShardWriter:
        """The pages that were typed."""
        from warehouse.landing.arrow import ArrowShardWriter  # and all that types: not for lines

        return ArrowShardWriter(self.folder / f"{self.header.number:04}.arrow", self.header)

    def append(self, mark: PageMeta, rows: pl.DataFrame) -> None:
        """Land one page; see `ShardFile.append`."""
        self.file.append(mark, rows)
        self._pages[mark.request, mark.offset] = (self._batches, mark)
        self._batches += 1

    def finish(
        self, *, complete: bool, reason: str | None, unknown_fields: Mapping[str, int] | None = None
    ) -> None:
        """Say how the shard ended; without this it counts as torn. Raises WarehouseFull."""
        if self.lines.has_pages:
            self.lines.finish(complete=complete, reason=reason)
            return
        path = self.file.path
        end = {
            "header": self.file.header,
            "complete": complete,
            "reason": reason,
            "pages": sorted(self._pages.values(), key=lambda page: page[0]),
            "bytes": path.stat().st_size if path.exists() else 0,
            "unknown_fields": unknown_fields or {},
        }
        with translate_os_errors(path.parent):
            atomic_write(path.with_suffix(".json"), to_json(end))


class LandingWriter:
    """A landing being written. Use as a context manager: its lock tells others that the run lives."""

    def __init__(self, root: Path, header: RunHeader) -> None:
        self.header = header
        self.folder = root / header.run_id
        self._lock = FileLock(self.folder / "lock")

    def __enter__(self) -> Self:
        with translate_os_errors(self.folder):
            self.folder.mkdir(parents=True)
            self._lock.acquire(timeout=0)
            try:
                atomic_write(self.folder / "run.json", to_json(self.header))
                fsync_directory(self.folder.parent)
            except OSError:
                self._lock.release()
                raise
        return self

    def __exit__(self, *_: object) -> None:
        self._lock.release()

    def open_shard(self, header: ShardHeader) -> ShardWriter:
        """Open a shard of this run."""
        return ShardWriter(self.folder, header)

    def add_catalog(self, name: str, rows: pl.DataFrame) -> None:
        """Keep a catalog (`items`, `providers` or `fx`) beside the prices that were read with it."""
        content = BytesIO()
        rows.write_ipc(content)
        with translate_os_errors(self.folder):
            atomic_write(self.folder / f"{name}.arrow", content.getvalue())

    def finish(self, state: str, **facts: object) -> None:
        """Say how the run ended: its state, and what else `runs` tells of it."""
        with translate_os_errors(self.folder):
            atomic_write(self.folder / "done.json", to_json({"state": state, **facts}))
