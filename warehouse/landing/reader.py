"""Read a landing: what it holds, also where a file is truncated."""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import os
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Self

import msgspec
import polars as pl
import pyarrow as pa
from msgspec import Struct

from common.field_counts import FieldCounts
from common.shortages import NO_RESOURCE, NO_SPACE
from common.text import sanitize
from warehouse.landing.arrow import PAGE_SCHEMA, find_stream, read_pages, read_stream_header
from warehouse.landing.integrity import DamagedFile, file_size, read_frames, read_json
from warehouse.landing.model import NumberedPages, PageMeta, RunHeader, ShardHeader
from warehouse.landing.ndjson import (
    LandedRawShard,
    check_number,
    check_size,
    raw_shard_paths,
    read_raw_shard,
    shard_number,
)

# The errors of a file that is not what was landed, and those of a machine that lacks something for a while.
_CORRUPT_FILE_ERRORS: Final = (ValueError, LookupError, TypeError, AttributeError, RecursionError)
_SHORTAGES: Final = NO_SPACE | NO_RESOURCE | {errno.EINTR}
CRASHED = {"state": "crashed", "incomplete_reason": "the process ended in the middle of the run"}


@dataclasses.dataclass(eq=False)
class CorruptLanding(Exception):
    """A landing cannot be read or loaded. It is set aside, so that the others load.

    With `may_heal`, the files are not known to be damaged: another try may succeed.
    """

    folder: Path
    reason: str
    may_heal: bool = False

    @classmethod
    def from_error(cls, folder: Path, error: BaseException, *, may_heal: bool = False) -> Self:
        """Take the first line of an error as the reason."""
        text = str(error) if isinstance(error, DamagedFile) else f"{type(error).__name__}: {error}"
        return cls(folder, sanitize(text.splitlines()[0], 400), may_heal)

    def __str__(self) -> str:
        return f"{self.folder.name}: {self.reason}"


@dataclasses.dataclass(frozen=True, slots=True)
class LandedShard:
    """A shard of typed pages on disk. `pages` holds (batch number, metadata) of the current pages, in order.

    `unknown_fields` is the number of rows by unknown field, where the pages were converted from raw rows.
    """

    path: Path
    header: ShardHeader
    complete: bool
    reason: str | None
    pages: NumberedPages
    unknown_fields: Mapping[str, int] = dataclasses.field(default_factory=dict)

    def batches(self, columns: Sequence[str] = ()) -> Iterator[tuple[PageMeta, pa.RecordBatch]]:
        """Yield the current pages with their rows: all columns, or these.

        Raises CorruptLanding where a page is missing: its quotes would seem to have vanished.
        """
        missing = dict(self.pages)
        for number, (meta, batch) in enumerate(read_pages(self.path, PAGE_SCHEMA, PageMeta, columns)):
            if missing.pop(number, None) is not None:
                yield meta, batch
        if missing:
            raise CorruptLanding(self.path.parent, f"{self.path.name} lacks {len(missing)} of its pages")

    def rejects(self) -> Iterator[tuple[str, PageMeta, str, str]]:
        """Yield the reject_id, the metadata of the page, the reason and the raw text of each reject."""
        for number, meta in self.pages:
            for index, (reason, raw) in enumerate(meta.rejects):
                yield f"{self.path.parent.name}/{shard_number(self.path)}/{number}/{index}", meta, reason, raw

    def pages_without_rejects(self) -> Iterator[tuple[PageMeta, pa.RecordBatch]]:
        """Yield the current pages that have no reject, with their rows. Raises CorruptLanding."""
        pages = tuple((number, meta) for number, meta in self.pages if not meta.rejects)
        return dataclasses.replace(self, pages=pages).batches()


class LandedRun(Struct, frozen=True):
    """A run on disk: shards of typed pages, and raw shards.

    `done` says how the run ended: its state, and further columns of `runs`.
    """

    folder: Path
    header: RunHeader
    done: dict[str, Any]
    shards: tuple[LandedShard, ...]
    raw_shards: tuple[LandedRawShard, ...] = ()

    @property
    def all_shards(self) -> tuple[LandedShard | LandedRawShard, ...]:
        """The shards of either kind."""
        return (*self.shards, *self.raw_shards)

    @property
    def observed_from(self) -> datetime:
        """The server's time of the first page; without a page, the start of the run."""
        return min((meta.moment for meta in self._pages), default=self.header.started_at)

    @property
    def observed_to(self) -> datetime:
        """The server's time of the last page; without a page, the start of the run."""
        return max((meta.moment for meta in self._pages), default=self.header.started_at)

    @property
    def landed_to(self) -> datetime:
        """The time of the last page by the fetching machine's clock; without a page, the start of the run."""
        return max((meta.landed_at for meta in self._pages), default=self.header.started_at)

    @property
    def _pages(self) -> Iterator[PageMeta]:
        return (meta for shard in self.all_shards for _, meta in shard.pages)

    @property
    def unknown_fields(self) -> dict[str, int]:
        """The number of rows by unknown field."""
        counts = FieldCounts()
        counts.add(self.done.get("unknown_fields") or {})
        for shard in self.shards:
            counts.add(shard.unknown_fields)
        return dict(counts)

    def catalog(self, name: str) -> pl.DataFrame | None:
        """Read a table that the run fetched, such as `items`, `fx` or `listings`; None where there is none.

        Raises DamagedFile and OSError.
        """
        path, plain = self.folder / f"{name}.arrow.zst", self.folder / f"{name}.arrow"
        if os.path.lexists(path):
            (content,) = read_frames(path, may_be_torn=False)
            return pl.read_ipc(content)
        # The bytes, because Polars takes a path for a pattern.
        return pl.read_ipc(plain.read_bytes()) if plain.exists() else None


class _Manifest(msgspec.Struct):
    complete: bool
    reason: str | None
    pages: NumberedPages
    bytes: int | None = None  # the first version did not write the size
    unknown_fields: dict[str, int] = {}


def read_shard(folder: Path, number: str) -> LandedShard | None:
    """Read a shard by its number in file names; None where it ended before its first page.

    Raises ValueError and TypeError where the files are not what was landed, and OSError.
    """
    manifest, path = folder / f"{number}.json", find_stream(folder, number)
    end = read_json(manifest, _Manifest) if manifest.exists() else None
    head = read_stream_header(path)
    if head is None:
        if end is not None and end.pages:
            raise DamagedFile(f"{path.name} has none of its {len(end.pages)} pages")
        return None
    header = ShardHeader.parse(head)
    check_number(path, header.number)
    if end is None or end.bytes is None:
        pages = _find_current_pages(path)
        return LandedShard(path, header, complete=False, reason="interrupted", pages=pages)
    check_size(path, file_size(path), end.bytes)
    return LandedShard(
        path,
        header,
        complete=end.complete,
        reason=end.reason,
        pages=end.pages,
        unknown_fields=end.unknown_fields,
    )


def _find_current_pages(path: Path) -> NumberedPages:
    current: dict[tuple[int, int], tuple[int, PageMeta]] = {}
    for number, (meta, _) in enumerate(read_pages(path, PAGE_SCHEMA, PageMeta)):
        current[meta.request, meta.offset] = (number, meta)
    return tuple(sorted(current.values(), key=lambda page: page[0]))


def read_run(folder: Path) -> LandedRun:
    """Read the landing in a folder. Raises CorruptLanding."""
    with refuse_corrupt_files(folder):
        return _read_run(folder)


@contextlib.contextmanager
def refuse_corrupt_files(folder: Path) -> Iterator[None]:
    """Raise CorruptLanding for the errors of reading a landing, but not where the machine lacks something."""
    try:
        yield
    except _CORRUPT_FILE_ERRORS as error:
        raise CorruptLanding.from_error(folder, error) from error
    except OSError as error:
        if is_shortage(error):
            raise
        raise CorruptLanding.from_error(folder, error, may_heal=True) from error


def is_shortage(error: OSError) -> bool:
    """Return whether the machine lacks something for a while: space, memory, descriptors."""
    return error.errno in _SHORTAGES


def _read_run(folder: Path) -> LandedRun:
    manifests = raw_shard_paths(folder)
    # Pages beside a raw shard were left by a conversion that was killed.
    unconverted = {shard_number(path) for path in manifests}
    numbers = sorted({shard_number(path) for path in folder.glob("[0-9]*")} - unconverted)
    return LandedRun(
        folder=folder,
        header=read_header(folder),
        done=_read_end(folder),
        shards=tuple(shard for number in numbers if (shard := read_shard(folder, number)) is not None),
        raw_shards=tuple(map(read_raw_shard, manifests)),
    )


def read_header(folder: Path) -> RunHeader:
    """Read the header of a landing's run. Raises ValueError and OSError."""
    return read_json(folder / "run.json", RunHeader)


class _Header(msgspec.Struct):
    ended: bool = False


class _End(msgspec.Struct):
    state: str
    files: tuple[str, ...] = ()


def _read_end(folder: Path) -> dict[str, Any]:
    """Return the content of done.json, or of a run that was interrupted; check that all files are there."""
    path = folder / "done.json"
    if not read_json(folder / "run.json", _Header).ended and not os.path.lexists(path):
        return dict(CRASHED)
    for name in read_json(path, _End).files:
        file_size(folder / name)
    return read_json(path, dict[str, Any])
