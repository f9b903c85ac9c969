"""Read landings: which are pending, what they hold, also where a file is truncated; quarantine and prune."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Self

import msgspec
import polars as pl
import pyarrow as pa

from common.files import atomic_write, is_locked
from warehouse.landing.arrow import FORMAT, PAGE_SCHEMA, read_pages, read_schema
from warehouse.landing.model import NumberedPages, PageMeta, RunHeader, ShardHeader
from warehouse.landing.ndjson import LandedRawShard, raw_shard_paths, read_raw_shard, shard_number

# The errors of a file that is not what was landed.
CORRUPT_FILE_ERRORS = (ValueError, LookupError, TypeError, AttributeError, RecursionError)
CRASHED = {"state": "crashed", "incomplete_reason": "the process ended in the middle of the run"}


@dataclasses.dataclass(eq=False)
class CorruptLanding(Exception):
    """A landing cannot be read or loaded. It is quarantined, so that the others load."""

    folder: Path
    reason: str

    @classmethod
    def from_error(cls, folder: Path, error: BaseException) -> Self:
        """Take the first line of an error as the reason."""
        return cls(folder, f"{type(error).__name__}: {error}".splitlines()[0])

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
        for number, (meta, batch) in enumerate(read_pages(self.path, PageMeta, columns)):
            if missing.pop(number, None) is not None:
                yield meta, batch
        if missing:
            raise CorruptLanding(self.path.parent, f"{self.path.name} lacks {len(missing)} of its pages")

    def rejects(self) -> Iterator[tuple[str, PageMeta, str, str]]:
        """Yield the reject_id, the metadata of the page, the reason and the raw text of each reject."""
        for number, meta in self.pages:
            for index, (reason, raw) in enumerate(meta.rejects):
                yield f"{self.path.parent.name}/{self.path.stem}/{number}/{index}", meta, reason, raw

    def pages_without_rejects(self) -> Iterator[tuple[PageMeta, pa.RecordBatch]]:
        """Yield the current pages that have no reject, with their rows. Raises CorruptLanding."""
        pages = tuple((number, meta) for number, meta in self.pages if not meta.rejects)
        return dataclasses.replace(self, pages=pages).batches()


@dataclasses.dataclass(frozen=True, slots=True)
class LandedRun:
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
        counts = Counter(self.done.get("unknown_fields") or {})
        for shard in self.shards:
            counts.update(shard.unknown_fields)
        return dict(counts)

    def catalog(self, name: str) -> pl.DataFrame | None:
        """Read a catalog that the run fetched (`items`, `providers` or `fx`); None where there is none."""
        path = self.folder / f"{name}.arrow"
        return pl.read_ipc(path) if path.exists() else None


class _Manifest(msgspec.Struct):
    complete: bool
    reason: str | None
    pages: NumberedPages
    bytes: int | None = None  # the first version did not write the size
    unknown_fields: dict[str, int] = {}


def read_shard(path: Path) -> LandedShard | None:
    """Read a shard by the path of its stream; None where the stream ends before its first page.

    Raises ValueError and TypeError where the files are not what was landed.
    """
    schema = read_schema(path)
    if schema is None:
        return None
    if not schema.equals(PAGE_SCHEMA):
        raise TypeError(f"{path.name} has other columns than this version of Floorline knows")
    header = ShardHeader.parse(schema.metadata[FORMAT])
    manifest = path.with_suffix(".json")
    end = msgspec.json.decode(manifest.read_bytes(), type=_Manifest) if manifest.exists() else None
    if end is None or end.bytes != path.stat().st_size:
        pages = _find_current_pages(path)
        return LandedShard(path, header, complete=False, reason="interrupted", pages=pages)
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
    for number, (meta, _) in enumerate(read_pages(path, PageMeta)):
        current[meta.request, meta.offset] = (number, meta)
    return tuple(sorted(current.values(), key=lambda page: page[0]))


def read_run(folder: Path) -> LandedRun:
    """Read the landing in a folder. Raises CorruptLanding."""
    try:
        return _read_run(folder)
    except CORRUPT_FILE_ERRORS as error:
        raise CorruptLanding.from_error(folder, error) from error


def _read_run(folder: Path) -> LandedRun:
    manifests = raw_shard_paths(folder)
    # Pages beside a raw shard were left by a conversion that was killed.
    unconverted = {shard_number(path) for path in manifests}
    streams = [path for path in sorted(folder.glob("[0-9]*.arrow")) if shard_number(path) not in unconverted]
    done = folder / "done.json"
    return LandedRun(
        folder=folder,
        header=read_header(folder),
        done={"state": None, **json.loads(done.read_bytes())} if done.exists() else dict(CRASHED),
        shards=tuple(shard for path in streams if (shard := read_shard(path)) is not None),
        raw_shards=tuple(map(read_raw_shard, manifests)),
    )


def read_header(folder: Path) -> RunHeader:
    """Read the header of a landing's run. Raises ValueError."""
    return msgspec.json.decode((folder / "run.json").read_bytes(), type=RunHeader)


def is_being_written(folder: Path) -> bool:
    """Return whether the process that writes a landing is still alive."""
    return is_locked(folder / "lock")


def list_landings(root: Path) -> list[Path]:
    """List the folders of all landings that have a header."""
    return sorted(path.parent for path in root.glob("*/run.json"))


def pending_landings(
    root: Path, on_corrupt: Callable[[CorruptLanding], object] = lambda _: None
) -> list[LandedRun]:
    """Read the landings that no database holds, in the order of observation.

    Landings that are still being written, or are quarantined, are left out. `on_corrupt` gets those that
    cannot be read.
    """
    folders = [
        folder
        for folder in list_landings(root)
        if not any((folder / name).exists() for name in ("loaded", "unreadable"))
        and not is_being_written(folder)
    ]
    return read_landings(folders, on_corrupt)


def quarantined_headers(root: Path) -> list[RunHeader]:
    """Return the headers of the runs whose landings were set aside, and are in no database."""
    headers = []
    for folder in list_landings(root):
        if (folder / "unreadable").exists() and not (folder / "loaded").exists():
            with contextlib.suppress(ValueError):
                headers.append(read_header(folder))
    return headers


def read_landings(folders: Sequence[Path], on_corrupt: Callable[[CorruptLanding], object]) -> list[LandedRun]:
    """Read landings in the order of observation; `on_corrupt` gets those that cannot be read."""
    runs = []
    for folder in folders:
        try:
            runs.append(read_run(folder))
        except CorruptLanding as error:
            on_corrupt(error)
    return sorted(runs, key=lambda run: (run.observed_from, run.header.started_at))


def quarantine(error: CorruptLanding) -> None:
    """Exclude a landing from further loads; the file `unreadable` has the reason."""
    atomic_write(error.folder / "unreadable", error.reason.encode(errors="replace"))


def mark_loaded(folder: Path) -> None:
    """Record that the database holds a landing."""
    atomic_write(folder / "loaded", b"")
    (folder / "unreadable").unlink(missing_ok=True)


def prune(root: Path, keep: timedelta, now: float | None = None) -> int:
    """Delete the landings that were loaded, or created without a header, before `keep`; return how many."""
    before = (time.time() if now is None else now) - keep.total_seconds()
    expired = [folder for folder in root.iterdir() if folder.is_dir() and _is_expired(folder, before)]
    for folder in expired:
        # In this order, a prune that is killed leaves nothing that a rebuild would take for a landing.
        (folder / "run.json").unlink(missing_ok=True)
        for path in folder.iterdir():
            if path.name != "loaded":
                path.unlink()
        (folder / "loaded").unlink(missing_ok=True)
        folder.rmdir()
    return len(expired)


def _is_expired(folder: Path, before: float) -> bool:
    loaded = folder / "loaded"
    if loaded.exists():
        return loaded.stat().st_mtime < before
    # Without a header: the rest of a killed prune, or of a run that was killed before it wrote the header.
    has_header = (folder / "run.json").exists()
    return not has_header and folder.stat().st_mtime < before and not is_being_written(folder)
