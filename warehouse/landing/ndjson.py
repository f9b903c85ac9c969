"""Raw shards on disk: rows as the API sent them, as compressed NDJSON that the load parses.

    0001.lines.zst         zstd frames with checksums: one for each chunk of a stream, or for each page
    0001.lines.json        the header, written before any row; at the end, how the shard ended

DuckDB loads such a shard directly where every row is as expected. Otherwise a `RowParser` converts the shard
to typed pages first.
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

from common.files import append_durably, translate_os_errors
from warehouse.landing.integrity import (
    DamagedFile,
    compress_frame,
    file_size,
    read_frames,
    read_json,
    write_json,
)
from warehouse.landing.model import NumberedPages, PageMeta, ShardHeader

if TYPE_CHECKING:
    import polars as pl
    from _typeshed import ReadableBuffer

# What a page adds to its rows: the page's number in each row, and a line with the metadata before them.
PAGE_FIELD: Final = "floorline_page"
META_FIELD: Final = "floorline_mark"
# The pages of a shard: many times the limit of a paginator, and few enough for 20,000 shards in 32 bits.
MAX_PAGES: Final = 10**5
_LEVEL: Final = 1  # the size of gzip in a fourth of the time; DuckDB reads it in a fourth, too


@dataclasses.dataclass(frozen=True, slots=True)
class NdjsonHeader:
    """The header of a raw shard. `written` maps our name of a row's field to the API's name.

    `mark` is the metadata of the streamed response, or where `paged` that of the first page.
    """

    header: ShardHeader
    written: Mapping[str, str]
    paged: bool
    mark: PageMeta


class NdjsonShardWriter:
    """Writes the files of one raw shard. One thread at a time may append."""

    def __init__(self, folder: Path, header: ShardHeader) -> None:
        self._header = header
        self._path = folder / f"{header.number:04}.lines.zst"
        self._manifest = folder / f"{header.number:04}.lines.json"
        self._head: NdjsonHeader | None = None
        self._count: int | None = 0
        # The current pages by request and offset: number, metadata, and the count of rows if all are exact.
        self._pages: dict[tuple[int, int], tuple[int, PageMeta, int | None]] = {}
        self._next_number = _first_page_number(header)

    @property
    def has_pages(self) -> bool:
        """Whether anything was appended."""
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
        """Append a chunk of the streamed response, durable on return; return the metadata of the response.

        `parts` are `count` complete lines; `count` is None where a row is not exact. A chunk that does not
        fit leaves no trace. Raises WarehouseFull.
        """
        meta = PageMeta(
            request=0, offset=0, total=-1, observed_at=observed_at, landed_at=landed_at, fingerprint=""
        )
        head = self._open(written, paged=False, meta=meta)
        self._append_frame(*parts)
        self._count = None if self._count is None or count is None else self._count + count
        return head.mark

    def append_page(
        self, meta: PageMeta, rows: Sequence[ReadableBuffer], *, exact: bool, written: Mapping[str, str]
    ) -> None:
        """Append a page, durable on return: the text of each row, `exact` where all are as expected.

        The metadata goes into a line before the rows, and the page's number into each row, because readers do
        not keep the order of lines. Raises WarehouseFull.
        """
        self._open(written, paged=True, meta=meta)
        meta_line = msgspec.json.encode({META_FIELD: msgspec.json.encode(meta).decode()})
        if exact:
            text = _row_prefix(self._next_number).join([meta_line, *(bytes(row)[1:] for row in rows)])
        else:  # only a row parser reads this page
            text = b"\n".join([meta_line, *rows])
        self._append_frame(text, b"\n")
        self._pages[meta.request, meta.offset] = (self._next_number, meta, len(rows) if exact else None)
        self._next_number += 1

    def finish(self, *, complete: bool, reason: str | None) -> None:
        """Write how the shard ended; without this it counts as interrupted. Raises WarehouseFull."""
        if self._head is None:
            raise ValueError(f"{self._path} has no rows to finish")
        end = {
            "complete": complete,
            "reason": reason,
            "count": self._count_paged_rows() if self._head.paged else self._count,
            "pages": [(number, meta) for number, meta, _ in self._pages.values()],
            "bytes": self._path.stat().st_size,
        }
        with translate_os_errors(self._path.parent):
            write_json(self._manifest, {**dataclasses.asdict(self._head), "end": end})

    def _open(self, written: Mapping[str, str], *, paged: bool, meta: PageMeta) -> NdjsonHeader:
        """Create the files before the first row; return the header."""
        if self._head is None:
            head = NdjsonHeader(self._header, written, paged=paged, mark=meta)
            with translate_os_errors(self._path.parent):
                # Before the header: a reader of the header compares the size of this file.
                self._path.touch()
                write_json(self._manifest, head)
            self._head = head
        return self._head

    def _append_frame(self, *text: bytes) -> None:
        append_durably(self._path, compress_frame(*text, level=_LEVEL))

    def _count_paged_rows(self) -> int | None:
        counts = [count for _, _, count in self._pages.values() if count is not None]
        return sum(counts) if len(counts) == len(self._pages) else None


@dataclasses.dataclass(frozen=True, slots=True)
class LandedRawShard:
    """A raw shard on disk. `count` is None where the shard is not complete or a row is not exact.

    `current_pages` holds (number, metadata) of the current pages of a finished paged shard. The last page of
    a shard that is not `finished` may be truncated.
    """

    path: Path
    head: NdjsonHeader
    complete: bool
    reason: str | None
    count: int | None
    current_pages: NumberedPages = ()
    finished: bool = True

    @property
    def header(self) -> ShardHeader:
        """What the shard requests."""
        return self.head.header

    @property
    def pages(self) -> NumberedPages:
        """The current pages; a streamed response counts as one page."""
        return self.current_pages or ((_first_page_number(self.header), self.head.mark),)

    def chunks(self) -> Iterator[tuple[PageMeta, bytes]]:
        """Yield the complete pages in the order of landing: metadata and the rows as they came.

        A streamed response yields its chunks, each with the metadata of the response. Raises DamagedFile.
        """
        frames = read_frames(self.path, may_be_torn=not self.finished)
        for number, text in enumerate(frames, _first_page_number(self.header)):
            if self.head.paged:
                meta_line, _, rows = text.replace(_row_prefix(number), b"\n{").partition(b"\n")
                yield msgspec.json.decode(json.loads(meta_line)[META_FIELD], type=PageMeta), rows
            else:
                yield self.head.mark, text

    def verify(self) -> None:
        """Raise DamagedFile where the file is not what was landed."""
        for _ in read_frames(self.path, may_be_torn=not self.finished):
            pass


# Parses a raw shard row by row: yields its pages in order, each with the number of rows by unknown field.
RowParser = Callable[[LandedRawShard], Iterator[tuple[PageMeta, "pl.DataFrame", Mapping[str, int]]]]


class _End(msgspec.Struct):
    complete: bool
    reason: str | None
    count: int | None
    pages: NumberedPages
    bytes: int


class _Manifest(msgspec.Struct):
    end: _End | None = None


def read_raw_shard(manifest: Path) -> LandedRawShard:
    """Read a raw shard by the path of its 0001.lines.json. Raises ValueError and OSError."""
    path, head = manifest.with_suffix(".zst"), read_json(manifest, NdjsonHeader)
    check_number(manifest, head.header.number)
    end, size = read_json(manifest, _Manifest).end, file_size(path)
    if end is None:
        return LandedRawShard(path, head, complete=False, reason="interrupted", count=None, finished=False)
    check_size(path, size, end.bytes)
    return LandedRawShard(
        path,
        head,
        complete=end.complete,
        reason=end.reason,
        count=end.count if end.complete else None,
        current_pages=end.pages,
    )


def check_number(path: Path, number: int) -> None:
    """Raise DamagedFile where a file of a shard holds another shard than its name says."""
    if int(shard_number(path).lstrip("s")) != number:
        raise DamagedFile(f"{path.name} holds shard {number}")


def check_size(path: Path, size: int, expected: int) -> None:
    """Raise DamagedFile where a file has not the size with which its shard ended."""
    if size != expected:
        raise DamagedFile(f"{path.name} has {size:,} bytes of {expected:,}")


def raw_shard_paths(folder: Path) -> Sequence[Path]:
    """List the 0001.lines.json of a landing's shards that were not converted to typed pages.

    Rows need their header; an empty file is written before the header.
    """
    numbers = sorted({shard_number(path) for path in folder.glob("[0-9]*.lines.*")})
    manifests = [folder / f"{number}.lines.json" for number in numbers]
    return [
        path
        for path in manifests
        if not path.with_name(f"{shard_number(path)}.json").exists()
        and (os.path.lexists(path) or file_size(path.with_suffix(".zst")))
    ]


def shard_number(path: Path) -> str:
    """Return the shard's number in the name of one of its files."""
    return path.name.partition(".")[0]


def _first_page_number(header: ShardHeader) -> int:
    """Return the number of a shard's first page, unique in the run."""
    return header.number * MAX_PAGES


def _row_prefix(number: int) -> bytes:
    """Return the start of each row of a page, with the end of the line before."""
    return b'\n{"%s":%d,' % (PAGE_FIELD.encode(), number)
