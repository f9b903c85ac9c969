"""Landings of every kind for tests of damaged files: what they hold, and ways to damage a file."""

from __future__ import annotations

import dataclasses
import os
import random
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from connectors.cs2cap.contract import ASKS
from connectors.schemas import ITEMS
from tests.support.series_landings import Point, SeriesPage, land_series
from tests.support.stream_rows import stream_line
from tests.support.warehouse import Page, Quote, ShardSpec, item_name, land, minute, quotes_frame, run_header
from warehouse.landing.model import PageMeta
from warehouse.landing.reader import LandedRun, read_run, refuse_corrupt_files
from warehouse.landing.series import read_series
from warehouse.landing.writer import LandingWriter
from warehouse.paths import WarehousePaths

ROWS = 9  # of each landing, in three pages
FACTS = {"down": ["buff163"], "requests": 3}
# Lands a run whose rows have one price, in cents, that many minutes after noon; returns the folder.
LandRun = Callable[[WarehousePaths, str, int], Path]


def typed_pages(cents: int) -> list[Page]:
    """Return three pages of three rows with a reject each."""
    rejects = [("odd", '{"item_id": 99}')]
    return [
        Page(minute(cents), [Quote(str(3 * n + k), cents) for k in range(3)], offset=3 * n, rejects=rejects)
        for n in range(3)
    ]


def raw_lines(cents: int) -> list[Sequence[bytes]]:
    """Return the same rows as lines of NDJSON, by pages."""
    price = f"{cents / 100:.2f}"
    return [
        [
            stream_line(
                item_id=number, market_hash_name=item_name(str(number)), phase=None,
                lowest_ask=cents, lowest_ask_decimal=price,
            )
            for number in range(3 * n, 3 * n + 3)
        ]
        for n in range(3)
    ]  # fmt: skip


def land_typed(paths: WarehousePaths, run: str, cents: int) -> Path:
    """Land typed pages and a catalog."""
    pages = typed_pages(cents)
    with LandingWriter(paths.landing, run_header(run, minute(cents))) as landing:
        writer = landing.open_shard(ShardSpec(pages).header(1))
        for page in pages:
            writer.append(page.meta(), quotes_frame(page.quotes))
        writer.finish(complete=True, reason=None)
        item = dict.fromkeys(ITEMS) | {"item_id": "1", "market_hash_name": item_name("1")}
        landing.add_catalog("items", pl.DataFrame([item], schema=ITEMS))
        landing.finish("done", **FACTS)
    return landing.folder


def land_interrupted(paths: WarehousePaths, run: str, cents: int) -> Path:
    """Land typed pages of a run that was killed."""
    return land(paths, run, ShardSpec(typed_pages(cents)), state=None)


def land_raw_pages(paths: WarehousePaths, run: str, cents: int, *, is_finished: bool = True) -> Path:
    """Land pages as NDJSON."""
    time = minute(cents)
    with LandingWriter(paths.landing, run_header(run, time)) as landing:
        writer = landing.open_shard(ShardSpec([]).header(1))
        for number, lines in enumerate(raw_lines(cents)):
            meta = PageMeta(0, 3 * number, ROWS, observed_at=time, landed_at=time, fingerprint="")
            rows = [line.rstrip() for line in lines]
            writer.ndjson_writer.append_page(meta, rows, exact=True, written=ASKS.wire_names)
        if is_finished:
            writer.finish(complete=True, reason=None)
            landing.finish("done", **FACTS)
    return landing.folder


def land_interrupted_raw_pages(paths: WarehousePaths, run: str, cents: int) -> Path:
    """Land pages as NDJSON, of a run that was killed."""
    return land_raw_pages(paths, run, cents, is_finished=False)


def land_stream(paths: WarehousePaths, run: str, cents: int) -> Path:
    """Land the chunks of a streamed response."""
    time = minute(cents)
    with LandingWriter(paths.landing, run_header(run, time)) as landing:
        writer = landing.open_shard(ShardSpec([]).header(1))
        for lines in raw_lines(cents):
            writer.ndjson_writer.append(
                lines, len(lines), written=ASKS.wire_names, observed_at=time, landed_at=time
            )
        writer.finish(complete=True, reason=None)
        landing.finish("done", **FACTS)
    return landing.folder


def land_points(paths: WarehousePaths, run: str, cents: int) -> Path:
    """Land a series of points."""
    pages = [
        SeriesPage(
            minute(cents), [Point(minute(-5 * (3 * n + k)), cents) for k in range(3)],
            cursor=f"c{n}" if n else None, next_cursor=f"c{n + 1}" if n < 2 else None,
            rejects=(("odd", "{}"),),
        )
        for n in range(3)
    ]  # fmt: skip
    return land_series(paths, run, *pages)


FINISHED: dict[str, LandRun] = {
    "typed": land_typed, "raw pages": land_raw_pages, "stream": land_stream, "points": land_points,
}  # fmt: skip
INTERRUPTED: dict[str, LandRun] = {
    "interrupted": land_interrupted, "interrupted raw pages": land_interrupted_raw_pages,
}  # fmt: skip


def landed_files(folder: Path) -> list[Path]:
    """Return the files of a landing with content."""
    return sorted(path for path in folder.iterdir() if path.name != "lock")


def read_everything(folder: Path) -> Any:
    """Return all that a load reads of a landing, to compare it with another. Raises CorruptLanding."""
    with refuse_corrupt_files(folder):
        run = read_run(folder)
        known = {name: run.done.get(name) for name in ("state", "incomplete_reason", "files", *FACTS)}
        return [
            run.header,
            known,
            [_relative(shard, folder) for shard in run.all_shards],
            [[(meta, batch.to_pylist()) for meta, batch in shard.batches()] for shard in run.shards],
            [list(shard.chunks()) for shard in run.raw_shards],
            [_rows(run, name) for name in ("items", "providers", "fx")],
            [
                (_relative(series, folder), [(meta, batch.to_pylist()) for meta, batch in series.batches()])
                for series in read_series(folder)
            ],
        ]


def _relative(shard: Any, folder: Path) -> Any:
    return dataclasses.replace(shard, path=shard.path.relative_to(folder))


def _rows(run: LandedRun, name: str) -> list[dict[str, Any]] | None:
    frame = run.catalog(name)
    return None if frame is None else frame.to_dicts()


def flip_bit(path: Path, rng: random.Random) -> None:
    """Flip a random bit of a file."""
    content = bytearray(path.read_bytes())
    bit = rng.randrange(8 * len(content))
    content[bit // 8] ^= 1 << bit % 8
    path.write_bytes(content)


def flip_bits(path: Path, count: int) -> Iterator[None]:
    """Flip one random bit of a file after another; the file is as it was afterwards."""
    content, rng = path.read_bytes(), random.Random(path.name)
    for _ in range(count):
        flip_bit(path, rng)
        yield
        path.write_bytes(content)


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])


def _replace_by_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _replace_by_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def _replace_by_circle(path: Path) -> None:
    path.unlink()
    path.symlink_to(path.name)


def _overwrite_the_middle(path: Path) -> None:
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 16] = random.Random(7).randbytes(16)
    path.write_bytes(content)


def _replace_by_sibling(path: Path) -> None:
    siblings = (other for other in landed_files(path.parent) if other != path)
    shutil.copyfile(next(siblings), path)


DAMAGE: dict[str, Callable[[Path], object]] = {
    "missing": Path.unlink,
    "empty": lambda path: path.write_bytes(b""),
    "cut": _cut,
    "a byte short": lambda path: path.write_bytes(path.read_bytes()[:-1]),
    "a byte longer": lambda path: path.write_bytes(path.read_bytes() + b"\x00"),
    "zeros": lambda path: path.write_bytes(bytes(path.stat().st_size)),
    "overwritten": _overwrite_the_middle,
    "doubled": lambda path: path.write_bytes(path.read_bytes() * 2),
    "a folder": _replace_by_folder,
    "a pipe": _replace_by_pipe,
    "a circle of links": _replace_by_circle,
    "another file": _replace_by_sibling,
}
