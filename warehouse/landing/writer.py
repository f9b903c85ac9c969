"""Write a landing: what a run fetched, durable page by page before anything else happens to it.

A landing is the folder of one run:

    lock                   held by the process that writes the landing; free once that process has ended
    run.json               the header of the run, written first, and again after done.json
    0001.arrow.zst         zstd frames with checksums: the header of the shard, then one Arrow IPC stream per
                           page, with the rejects in its metadata; a truncated file loses its last page
    0001.json              how the shard ended, renamed into place
    0001.lines.zst ...     instead of the two: rows as the API sent them, see warehouse/landing/ndjson.py
    items.arrow.zst ...    catalogs that the run fetched
    done.json              how the run ended and the names of its files, renamed into place
    loaded                 written once the database holds the run
    uploaded               written once the queue of a shared warehouse holds the run

Every JSON file ends with a checksum, see warehouse/landing/integrity.py.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from functools import cached_property
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

from filelock import FileLock

from common.files import atomic_write, fsync_directory, translate_os_errors
from warehouse.landing.integrity import compress_frame, write_json
from warehouse.landing.model import PageMeta, RunHeader, ShardHeader
from warehouse.landing.ndjson import NdjsonShardWriter

if TYPE_CHECKING:
    import polars as pl

    from warehouse.landing.arrow import ArrowShardWriter

_CATALOG_LEVEL: Final = 1
_OTHER_FILES: Final = frozenset({"lock", "run.json"})


class ShardWriter:
    """Writes one shard: typed pages by `append`, or raw rows by its `ndjson_writer`."""

    def __init__(self, folder: Path, header: ShardHeader) -> None:
        self.folder, self.header = folder, header
        self.ndjson_writer = NdjsonShardWriter(folder, header)
        self._current_pages: dict[tuple[int, int], tuple[int, PageMeta]] = {}
        self._batches = 0

    @cached_property
    def arrow_writer(self) -> ArrowShardWriter:
        """The writer of typed pages."""
        from warehouse.landing.arrow import SUFFIX, ArrowShardWriter  # polars, which raw rows do not need

        return ArrowShardWriter(self.folder / f"{self.header.number:04}{SUFFIX}", self.header)

    def append(self, meta: PageMeta, rows: pl.DataFrame) -> None:
        """Append a typed page; see `ArrowShardWriter.append`."""
        self.arrow_writer.append(meta, rows)
        self._current_pages[meta.request, meta.offset] = (self._batches, meta)
        self._batches += 1

    def append_all(self, pages: Sequence[tuple[PageMeta, pl.DataFrame]]) -> None:
        """Append typed pages, all of them durable at once; see `ArrowShardWriter.append_all`."""
        self.arrow_writer.append_all(pages)
        for meta, _ in pages:
            self._current_pages[meta.request, meta.offset] = (self._batches, meta)
            self._batches += 1

    def finish(
        self, *, complete: bool, reason: str | None, unknown_fields: Mapping[str, int] | None = None
    ) -> None:
        """Write how the shard ended; without this it counts as interrupted. Raises WarehouseFull."""
        if self.ndjson_writer.has_pages:
            self.ndjson_writer.finish(complete=complete, reason=reason)
            return
        path = self.arrow_writer.path
        end = {
            "header": self.header,
            "complete": complete,
            "reason": reason,
            "pages": sorted(self._current_pages.values(), key=lambda page: page[0]),
            "bytes": path.stat().st_size if path.exists() else 0,
            "unknown_fields": unknown_fields or {},
        }
        with translate_os_errors(path.parent):
            write_json(self.folder / f"{self.header.number:04}.json", end)


class LandingWriter:
    """Writes the landing of one run; as a context manager it holds the lock of a run that is alive."""

    def __init__(self, root: Path, header: RunHeader) -> None:
        self.header = header
        self.folder = root / header.run_id
        self._lock = FileLock(self.folder / "lock")

    def __enter__(self) -> Self:
        with translate_os_errors(self.folder):
            self.folder.mkdir(parents=True)
            # Before run.json: a landing with a header and a free lock counts as one whose process has ended.
            self._lock.acquire(timeout=0)
            try:
                write_json(self.folder / "run.json", self.header)
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
        """Write a table that the run fetched, such as `items`, `fx` or `listings`. Raises WarehouseFull."""
        content = BytesIO()
        rows.write_ipc(content)
        with translate_os_errors(self.folder):
            frame = compress_frame(content.getbuffer(), level=_CATALOG_LEVEL)
            atomic_write(self.folder / f"{name}.arrow.zst", frame)

    def finish(self, state: str, **facts: object) -> None:
        """Write how the run ended: its state, and further columns of `runs`. Raises WarehouseFull."""
        with translate_os_errors(self.folder):
            names = sorted(path.name for path in self.folder.iterdir())
            files = [name for name in names if name not in _OTHER_FILES and not name.endswith(".partial")]
            write_json(self.folder / "done.json", {"state": state, **facts, "files": files})
            # That done.json is missing afterwards shows as damage, not as a run that was interrupted.
            write_json(self.folder / "run.json", {**dataclasses.asdict(self.header), "ended": True})
