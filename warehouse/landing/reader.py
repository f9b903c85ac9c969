"""Reading landings back: what waits to be loaded, and what was torn."""

from __future__ import annotations

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
from filelock import FileLock, Timeout

from common.files import atomic_write
from warehouse.landing.arrow import FORMAT, PAGE_SCHEMA
from warehouse.landing.model import PageMeta, RunHeader, ShardHeader
from warehouse.landing.ndjson import LandedRawShard, raw_shard_paths, read_raw_shard, shard_number

CRASHED = {"state": "crashed", "incomplete_reason": "the process ended in the middle of the run"}


@dataclasses.dataclass(eq=False)
class CorruptLanding(Exception):
    """A landing that is not what was landed, and why. It is set aside, so that the others load."""

    folder: Path
    reason: str

    @classmethod
    def from_error(cls, folder: Path, error: BaseException) -> Self:
        """Because of this error; its first line tells enough."""
        return cls(folder, f"{type(error).__name__}: {error}".splitlines()[0])

    def __str__(self) -> str:
        """Which, and why."""
        return f"{self.folder.name}: {self.reason}"


@dataclasses.dataclass(frozen=True, slots=True)
class LandedShard:
    """One shard as it lies on disk. `pages` holds (batch number, mark) of the pages that count, in order.

    `unknown_fields` are those that were found when lines were typed.
    """

    path: Path
    header: ShardHeader
    complete: bool
    reason: str | None
    pages: tuple[tuple[int, PageMeta], ...]
    unknown_fields: Mapping[str, int] = dataclasses.field(default_factory=dict)

    def batches(self, columns: Sequence[str] = ()) -> Iterator[tuple[PageMeta, pa.RecordBatch]]:
        """The pages that count, with their rows; all columns, or just these.

        Raises Unreadable where a page is missing: its quotes would be taken for vanished.
        """
        wanted = dict(self.pages)
        for number, (mark, batch) in enumerate(read_stream(self.path, columns)):
            if wanted.pop(number, None) is not None:
                yield mark, batch
        if wanted:
            raise CorruptLanding(self.path.parent, f"{self.path.name} lacks {len(wanted)} of its pages")

    def rejects(self) -> Iterator[dict[str, str]]:
        """`reject_id`, `observed_at`, `reason`, `raw`: the rows that did not fit, of the pages that count."""
        for number, mark in self.pages:
            for place, (reason, raw) in enumerate(mark.rejects):
                yield {
                    "reject_id": f"{self.path.parent.name}/{self.path.stem}/{number}/{place}",
                    "observed_at": mark.observed_at.isoformat(),
                    "reason": reason,
                    "raw": raw,
                }

    def pages_without_rejects(self) -> Iterator[tuple[PageMeta, pa.RecordBatch]]:
        """The pages that count and had no reject, with their rows. Raises Unreadable."""
        pages = tuple((number, mark) for number, mark in self.pages if not mark.rejects)
        return dataclasses.replace(self, pages=pages).batches()


@dataclasses.dataclass(frozen=True, slots=True)
class LandedRun:
    """One run as it lies on disk; `done` is how it ended (state, requests and so on).

    `shards` hold pages, `lines` what was landed as it came and still is.
    """

    folder: Path
    header: RunHeader
    done: dict[str, Any]
    shards: tuple[LandedShard, ...]
    lines: tuple[LandedRawShard, ...] = ()

    @property
    def observed_from(self) -> datetime:
        """The server's moment of the first page; without a page, the run's start."""
        shards: tuple[LandedShard | LandedRawShard, ...] = (*self.shards, *self.lines)
        moments = [mark.observed_at for shard in shards for _, mark in shard.pages]
        return min(moments, default=self.header.started_at)

    @property
    def unknown_fields(self) -> dict[str, int]:
        """How many rows carry which field that nobody knows."""
        found = Counter(self.done.get("unknown_fields") or {})
        for shard in self.shards:
            found.update(shard.unknown_fields)
        return dict(found)

    def catalog(self, name: str) -> pl.DataFrame | None:
        """A catalog that was fetched on the way: `items`, `providers` or `fx`."""
        path = self.folder / f"{name}.arrow"
        return pl.read_ipc(path) if path.exists() else None


def read_stream(path: Path, columns: Sequence[str] = ()) -> Iterator[tuple[PageMeta, pa.RecordBatch]]:
    """Every whole page of a shard's stream, in the order of landing; stops at a torn tail."""
    with pa.memory_map(str(path)) as source:
        schema = pa.ipc.open_stream(source).schema
        source.seek(0)
        fields = [schema.get_field_index(name) for name in columns]
        # a page is too small for threads to share
        wanted = pa.ipc.IpcReadOptions(included_fields=fields, use_threads=False)
        reader = pa.ipc.open_stream(source, options=wanted)
        while True:
            try:
                batch, metadata = reader.read_next_batch_with_custom_metadata()
            except (StopIteration, pa.ArrowInvalid, OSError):
                return
            yield msgspec.json.decode(metadata[FORMAT], type=PageMeta), batch


def read_shard(path: Path) -> LandedShard | None:
    """A shard by its stream's path; None where not even the head of it was written."""
    try:
        with pa.memory_map(str(path)) as source:
            schema = pa.ipc.open_stream(source).schema
    except (pa.ArrowInvalid, OSError):
        return None
    if not schema.equals(PAGE_SCHEMA):
        raise TypeError(f"{path.name} has other columns than this Floorline knows")
    header = ShardHeader.parse(schema.metadata[FORMAT])
    ended = path.with_suffix(".json")
    end = msgspec.json.decode(ended.read_bytes(), type=_Manifest) if ended.exists() else None
    if end is None or end.bytes != path.stat().st_size:
        return LandedShard(path, header, False, "interrupted", _read_truncated(path))
    return LandedShard(path, header, end.complete, end.reason, end.pages, end.unknown_fields)


class _Manifest(msgspec.Struct):
    complete: bool
    reason: str | None
    pages: tuple[tuple[int, PageMeta], ...]
    bytes: int
    unknown_fields: dict[str, int] = {}


def _read_truncated(path: Path) -> tuple[tuple[int, PageMeta], ...]:
    newest: dict[tuple[int, int], tuple[int, PageMeta]] = {}
    for number, (mark, _) in enumerate(read_stream(path)):
        newest[mark.request, mark.offset] = (number, mark)
    return tuple(sorted(newest.values(), key=lambda page: page[0]))


def read_run(folder: Path) -> LandedRun:
    """A landing by its folder. Raises Unreadable."""
    try:
        return _read_run(folder)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise CorruptLanding.from_error(folder, error) from error


def _read_run(folder: Path) -> LandedRun:
    ended = folder / "done.json"
    lines = raw_shard_paths(folder)
    to_type = {
        shard_number(path) for path in lines
    }  # pages beside them were left by a process that was killed
    pages = [path for path in sorted(folder.glob("[0-9]*.arrow")) if shard_number(path) not in to_type]
    shards = [read_shard(path) for path in pages]
    return LandedRun(
        folder=folder,
        header=read_header(folder),
        done={"state": None, **json.loads(ended.read_bytes())} if ended.exists() else dict(CRASHED),
        shards=tuple(shard for shard in shards if shard is not None),
        lines=tuple(map(read_raw_shard, lines)),
    )


def read_header(folder: Path) -> RunHeader:
    """Return who wrote a landing. Raises ValueError where that cannot be read."""
    return msgspec.json.decode((folder / "run.json").read_bytes(), type=RunHeader)


def is_being_written(folder: Path) -> bool:
    """Whether the process that writes this landing still runs."""
    try:
        with FileLock(folder / "lock", timeout=0):
            return False
    except Timeout:
        return True


def list_landings(root: Path) -> list[Path]:
    """The folders of all landings whose run at least began."""
    return sorted(path.parent for path in root.glob("*/run.json"))


def pending_landings(
    root: Path, unreadable: Callable[[CorruptLanding], object] = lambda _: None
) -> list[LandedRun]:
    """What no database holds yet, in the order of observation; not what is still written, nor was set aside.

    `unreadable` hears of the landings that cannot be read.
    """
    return read_landings(
        [
            folder
            for folder in list_landings(root)
            if not any((folder / mark).exists() for mark in ("loaded", "unreadable"))
            and not is_being_written(folder)
        ],
        unreadable,
    )


def read_landings(folders: Sequence[Path], unreadable: Callable[[CorruptLanding], object]) -> list[LandedRun]:
    """These landings in the order of observation; `unreadable` hears of those that cannot be read."""
    runs = []
    for folder in folders:
        try:
            runs.append(read_run(folder))
        except CorruptLanding as error:
            unreadable(error)
    return sorted(runs, key=lambda run: (run.observed_from, run.header.started_at))


def quarantine(error: CorruptLanding) -> None:
    """Note on a landing why it cannot be loaded; it stays, and no load tries it again."""
    atomic_write(error.folder / "unreadable", error.reason.encode(errors="replace"))


def mark_loaded(folder: Path) -> None:
    """Note on a landing that the database holds it."""
    atomic_write(folder / "loaded", b"")
    (folder / "unreadable").unlink(missing_ok=True)


def prune(root: Path, keep: timedelta, now: float | None = None) -> int:
    """Drop the landings that were loaded, or never quite began, longer than `keep` ago; how many went."""
    before = (time.time() if now is None else now) - keep.total_seconds()
    old = [folder for folder in root.iterdir() if folder.is_dir() and _expired(folder, before)]
    for folder in old:
        # in this order a prune that is killed leaves nothing that a rebuild would take for a landing
        (folder / "run.json").unlink(missing_ok=True)
        for path in folder.iterdir():
            if path.name != "loaded":
                path.unlink()
        (folder / "loaded").unlink(missing_ok=True)
        folder.rmdir()
    return len(old)


def _expired(folder: Path, before: float) -> bool:
    mark = folder / "loaded"
    if mark.exists():
        return mark.stat().st_mtime < before
    never_began = not (folder / "run.json").exists() and folder.stat().st_mtime < before
    return never_began and not is_being_written(folder)
