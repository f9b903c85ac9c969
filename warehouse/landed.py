"""Reading landings back: what waits to be loaded, what was torn, and what an interrupted run left fresh."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
from filelock import FileLock, Timeout

from warehouse.landing import FORMAT, PageMark, RunHeader, ShardHeader

CRASHED = {"state": "crashed", "incomplete_reason": "the process ended in the middle of the run"}
INTERRUPTED = frozenset({"crashed", "cancelled", "auth_failed"})


@dataclasses.dataclass(frozen=True, slots=True)
class LandedShard:
    """One shard as it lies on disk. `pages` holds (batch number, mark) of the pages that count, in order."""

    path: Path
    header: ShardHeader
    complete: bool
    reason: str | None
    pages: tuple[tuple[int, PageMark], ...]

    def batches(self, columns: Sequence[str] = ()) -> Iterator[tuple[PageMark, pa.RecordBatch]]:
        """The pages that count, with their rows; all columns, or just these."""
        wanted = dict(self.pages)
        for number, (mark, batch) in enumerate(read_stream(self.path, columns)):
            if number in wanted:
                yield mark, batch

    def rejects(self) -> Iterator[dict[str, str]]:
        """`reject_id`, `observed_at`, `reason` and `raw` of the rows that did not fit, of the pages that count."""
        wanted = dict(self.pages)
        path = self.path.with_suffix(".rejects.ndjson")
        for number, line in enumerate(path.read_bytes().splitlines() if path.exists() else ()):
            try:
                fields = json.loads(line)
            except ValueError:
                return  # a torn tail
            if fields.pop("batch") in wanted:
                yield {"reject_id": f"{self.path.parent.name}/{self.path.stem}/{number}", **fields}


@dataclasses.dataclass(frozen=True, slots=True)
class LandedRun:
    """One run as it lies on disk; `done` is how it ended (state, requests and so on)."""

    folder: Path
    header: RunHeader
    done: dict[str, Any]
    shards: tuple[LandedShard, ...]

    @property
    def observed_from(self) -> datetime:
        """The server's moment of the first page; without a page, the run's start."""
        moments = [mark.observed_at for shard in self.shards for _, mark in shard.pages]
        return min(moments, default=self.header.started_at)

    def catalog(self, name: str) -> pl.DataFrame | None:
        """A catalog that was fetched on the way."""
        path = self.folder / f"{name}.arrow"
        return pl.read_ipc(path, memory_map=False) if path.exists() else None


def read_stream(path: Path, columns: Sequence[str] = ()) -> Iterator[tuple[PageMark, pa.RecordBatch]]:
    """Every whole page of a shard's stream, in the order of landing; stops at a torn tail."""
    with pa.memory_map(str(path)) as source:
        schema = pa.ipc.open_stream(source).schema
        source.seek(0)
        wanted = pa.ipc.IpcReadOptions(included_fields=[schema.get_field_index(name) for name in columns])
        reader = pa.ipc.open_stream(source, options=wanted)
        while True:
            try:
                batch, metadata = reader.read_next_batch_with_custom_metadata()
            except (StopIteration, pa.ArrowInvalid, OSError):
                return
            yield PageMark.parse(json.loads(metadata[FORMAT])), batch


def read_shard(path: Path) -> LandedShard | None:
    """A shard by its stream's path; None where not even the head of it was written."""
    ended = path.with_suffix(".json")
    if ended.exists():
        end = json.loads(ended.read_bytes())
        pages = tuple((number, PageMark.parse(mark)) for number, mark in end["pages"])
        return LandedShard(path, ShardHeader.parse(end["header"]), end["complete"], end["reason"], pages)
    try:
        with pa.memory_map(str(path)) as source:
            schema = pa.ipc.open_stream(source).schema
    except (pa.ArrowInvalid, OSError):
        return None
    newest: dict[tuple[int, int], tuple[int, PageMark]] = {}
    for number, (mark, _) in enumerate(read_stream(path)):
        newest[mark.request, mark.offset] = (number, mark)
    pages = tuple(sorted(newest.values(), key=lambda page: page[0]))
    return LandedShard(
        path, ShardHeader.parse(json.loads(schema.metadata[FORMAT])), False, "interrupted", pages
    )


def read_run(folder: Path) -> LandedRun:
    """A landing by its folder."""
    ended = folder / "done.json"
    shards = [read_shard(path) for path in sorted(folder.glob("[0-9]*.arrow"))]
    return LandedRun(
        folder=folder,
        header=RunHeader.parse(json.loads((folder / "run.json").read_bytes())),
        done=json.loads(ended.read_bytes()) if ended.exists() else dict(CRASHED),
        shards=tuple(shard for shard in shards if shard is not None),
    )


def is_alive(folder: Path) -> bool:
    """Whether the process that writes this landing still runs."""
    try:
        with FileLock(folder / "lock", timeout=0):
            return False
    except Timeout:
        return True


def kept(root: Path) -> list[Path]:
    """The folders of all landings whose run at least began."""
    return sorted(path.parent for path in root.glob("*/run.json"))


def waiting(root: Path) -> list[LandedRun]:
    """What no database holds yet, in the order in which it was observed; runs that still write are left alone."""
    folders = [folder for folder in kept(root) if not (folder / "loaded").exists() and not is_alive(folder)]
    return sorted(map(read_run, folders), key=lambda run: (run.observed_from, run.header.started_at))


def interrupted(root: Path, source: str, basket: str) -> LandedRun | None:
    """The basket's newest landing, if something stopped that run before it was through."""
    headers = [(RunHeader.parse(json.loads((f / "run.json").read_bytes())), f) for f in kept(root)]
    mine = [
        (h.started_at, f) for h, f in headers if (h.source, h.basket) == (source, basket) and not is_alive(f)
    ]
    if not mine:
        return None
    run = read_run(max(mine)[1])
    return run if run.done["state"] in INTERRUPTED else None


def fresh_pages(
    run: LandedRun, header: ShardHeader, now: datetime, lifetime: timedelta
) -> list[tuple[PageMark, pl.DataFrame]]:
    """Pages that an interrupted run landed for the same question and that would still be answered alike.

    `lifetime` is counted by this machine's clock, from the landing of each page.
    """
    asked = dataclasses.replace(header, number=0)
    for shard in run.shards:
        if dataclasses.replace(shard.header, number=0) == asked:
            return [
                (mark, _frame(batch)) for mark, batch in shard.batches() if now - mark.landed_at < lifetime
            ]
    return []


def _frame(batch: pa.RecordBatch) -> pl.DataFrame:
    frame = pl.from_arrow(batch)
    assert isinstance(frame, pl.DataFrame)  # noqa: S101 - a batch is a frame; this tells the type checker
    return frame


def prune(root: Path, keep: timedelta, now: float | None = None) -> int:
    """Drop the landings that were loaded longer than `keep` ago; how many went."""
    before = (time.time() if now is None else now) - keep.total_seconds()
    old = [mark.parent for mark in root.glob("*/loaded") if mark.stat().st_mtime < before]
    for folder in old:
        for path in folder.iterdir():
            path.unlink()
        folder.rmdir()
    return len(old)
