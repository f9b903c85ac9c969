"""A shard that was landed as it came: rows as JSON lines, typed by the load.

    0001.lines.zst         zstd frames: the pieces of one answer, or the rows of many pages, a frame each
    0001.lines.json        whose answer it is, written before anything of it; at the end, how it ended

What such a shard holds is as the source wrote it. The load takes it as it is only where the text has nothing
but what was expected of it; otherwise it is typed row by row first (see `Retype`), into a file of pages.
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec
from backports import zstd

from common.files import UnbufferedFile, atomic_write, fsync_directory, to_json, translate_os_errors
from warehouse.landing.model import PageMeta, ShardHeader

if TYPE_CHECKING:
    import polars as pl
    from _typeshed import ReadableBuffer

# What a page adds to the lines of its rows: their page's number, and a line of its own with the mark as text.
PAGE: Final = "floorline_page"
MARK: Final = "floorline_mark"
MOST_PAGES: Final = 10**5  # many times what a walk may have, and 20,000 shards fit into 32 bits
_LEVEL: Final = 1  # as small as gzip makes it, in a fourth of the time; DuckDB reads it in a fourth, too


@dataclasses.dataclass(frozen=True, slots=True)
class NdjsonHeader:
    """Whose answer it is: `written` has its names of a row's fields, by ours; times are UTC.

    `mark` is that of the answer, or of the first page if it is `paged`.
    """

    header: ShardHeader
    written: Mapping[str, str]
    paged: bool
    mark: PageMeta


class NdjsonShardWriter:
    """The file of one such shard, being written. One thread at a time may append to it."""

    def __init__(self, folder: Path, header: ShardHeader) -> None:
        self._folder, self._header = folder, header
        self._head: NdjsonHeader | None = None
        self._path = folder
        self._count: int | None = 0
        self._pages: dict[tuple[int, int], tuple[int, PageMeta, int | None]] = {}
        self._number = _first_page_number(header)

    @property
    def has_pages(self) -> bool:
        """Whether there is anything in it."""
        return self._head is not None

    def append(
        self,
        parts: Iterable[bytes],
        count: int | None,
        *,
        written: Mapping[str, str],
        observed_at: datetime,
        landed_at: datetime,
    ) -> PageMeta:
        """Land a piece of one answer, durable on return; one that has no room whole leaves no trace.

        `parts` are whole lines, `count` of them; None if they are not all as they should be. Raises
        WarehouseFull.
        """
        if self._head is None:
            mark = PageMeta(0, 0, -1, observed_at, landed_at, "")
            self._head = self._open(NdjsonHeader(self._header, written, paged=False, mark=mark))
        self._write(*parts)
        self._count = None if self._count is None or count is None else self._count + count
        return self._head.mark

    def append_page(
        self, mark: PageMeta, rows: Sequence[ReadableBuffer], *, exact: bool, written: Mapping[str, str]
    ) -> None:
        """Land a page: the text of each row, `exact` if all are as they should be.

        In front of them goes a line with the mark, and into each the page's number: no reader would tell
        their order otherwise. Durable on return; raises WarehouseFull.
        """
        if self._head is None:
            self._head = self._open(NdjsonHeader(self._header, written, paged=True, mark=mark))
        first = to_json({MARK: to_json(mark).decode()})
        if exact:  # else nobody reads them but to type them row by row
            text = _line_prefix(self._number).join([first, *(bytes(row)[1:] for row in rows)])
        else:
            text = b"\n".join([first, *rows])
        self._write(text, b"\n")
        self._pages[mark.request, mark.offset] = (self._number, mark, len(rows) if exact else None)
        self._number += 1

    def _open(self, head: NdjsonHeader) -> NdjsonHeader:
        number = f"{self._header.number:04}"
        with translate_os_errors(self._folder):
            self._path = self._folder / f"{number}.lines.zst"
            self._path.touch()
            atomic_write(self._folder / f"{number}.lines.json", to_json(head))
            fsync_directory(self._folder)
        return head

    def _write(self, *text: bytes) -> None:
        frame = zstd.ZstdCompressor(_LEVEL)
        raw = b"".join([*map(frame.compress, text), frame.flush()])
        with translate_os_errors(self._folder), UnbufferedFile(self._path, "ab") as file:
            end = file.tell()
            try:
                file.write(raw)
                os.fdatasync(file.fileno())
            except OSError:
                file.truncate(end)
                raise

    def finish(self, *, complete: bool, reason: str | None) -> None:
        """Say how it ended; without this it counts as torn. Raises WarehouseFull."""
        assert self._head is not None  # noqa: S101 - finished only if begun
        end = {
            "complete": complete,
            "reason": reason,
            "count": self._of_pages() if self._head.paged else self._count,
            "pages": [(number, mark) for number, mark, _ in self._pages.values()],
            "bytes": self._path.stat().st_size,
        }
        content = {**dataclasses.asdict(self._head), "end": end}
        with translate_os_errors(self._folder):
            atomic_write(self._folder / f"{self._header.number:04}.lines.json", to_json(content))

    def _of_pages(self) -> int | None:
        counts = [count for _, _, count in self._pages.values() if count is not None]
        return sum(counts) if len(counts) == len(self._pages) else None


@dataclasses.dataclass(frozen=True, slots=True)
class LandedRawShard:
    """Such a shard as it lies on disk; without `count` it was torn, or is not as it should be.

    `marks` holds (number, mark) of the pages that count, if it is paged and was finished.
    """

    path: Path
    head: NdjsonHeader
    complete: bool
    reason: str | None
    count: int | None
    marks: tuple[tuple[int, PageMeta], ...] = ()

    @property
    def header(self) -> ShardHeader:
        """What the shard asks for."""
        return self.head.header

    @property
    def pages(self) -> tuple[tuple[int, PageMeta], ...]:
        """The pages that count; the one answer, as a page."""
        return self.marks or ((_first_page_number(self.header), self.head.mark),)

    def chunks(self) -> Iterator[tuple[PageMeta, bytes]]:
        """What of it is whole, in the order of landing: each page's mark and its rows as they came.

        Of a stream, the mark is that of all of it, and a part is a piece.
        """
        for number, text in enumerate(self._frames(), _first_page_number(self.header)):
            if not self.head.paged:
                yield self.head.mark, text
                continue
            first, _, lines = text.replace(_line_prefix(number), b"\n{").partition(b"\n")
            yield msgspec.json.decode(json.loads(first)[MARK], type=PageMeta), lines

    def _frames(self) -> Iterator[bytes]:
        raw = self.path.read_bytes()
        while raw:
            frame = zstd.ZstdDecompressor()
            try:
                text = frame.decompress(raw)
            except zstd.ZstdError:
                return
            if not frame.eof:  # torn
                return
            yield text
            raw = frame.unused_data


class _End(msgspec.Struct):
    complete: bool
    reason: str | None
    count: int | None
    pages: tuple[tuple[int, PageMeta], ...]
    bytes: int


class _Manifest(msgspec.Struct):
    end: _End | None = None


# Types such a shard row by row: pages in their order, and how many rows carry which unknown field.
RowParser = Callable[[LandedRawShard], Iterator[tuple[PageMeta, "pl.DataFrame", Mapping[str, int]]]]


def read_raw_shard(manifest: Path) -> LandedRawShard:
    """Such a shard by the path of its 0001.lines.json. Raises ValueError and OSError."""
    content, path = manifest.read_bytes(), manifest.with_suffix(".zst")
    head = msgspec.json.decode(content, type=NdjsonHeader)
    end = msgspec.json.decode(content, type=_Manifest).end
    if end is None or end.bytes != path.stat().st_size:
        return LandedRawShard(path, head, False, "interrupted", None)
    count = end.count if end.complete else None
    return LandedRawShard(path, head, end.complete, end.reason, count, end.pages)


def raw_shard_paths(folder: Path) -> Sequence[Path]:
    """The 0001.lines.json of a landing's shards that were not typed into pages since."""
    found = sorted(folder.glob("[0-9]*.lines.json"))
    return [end for end in found if not (folder / f"{shard_number(end)}.json").exists()]


def _first_page_number(header: ShardHeader) -> int:
    """The number of a shard's first page: none other of the run has it."""
    return header.number * MOST_PAGES


def _line_prefix(number: int) -> bytes:
    """How each row of a page begins, with the end of the line before it."""
    return b'\n{"%s":%d,' % (PAGE.encode(), number)


def shard_number(path: Path) -> str:
    """The number in the name of a shard's file."""
    return path.name.partition(".")[0]
