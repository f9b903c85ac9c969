"""The pages of one shard of a series on disk: an Arrow IPC stream that grows by whole pages, and its reader.

They lie in an ordinary landing, beside no quotes: `s0001.arrow` and, once the shard has ended, `s0001.json`.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator
from datetime import datetime
from io import BytesIO
from pathlib import Path

import msgspec
import polars as pl
import pyarrow as pa

from common.files import UnbufferedFile, atomic_write, fsync_directory, to_json, translate_os_errors
from warehouse.landing.arrow import COMPRESSION, FORMAT, MOMENT, TEXT
from warehouse.landing.reader import CorruptLanding

NAME_FIELDS = {"item_id": TEXT, "market_hash_name": TEXT, "phase": TEXT}
# What a page of each series holds. Amounts are minor units, `price` of a point is exact; times are UTC.
SCHEMAS = {
    "points": pa.schema({
        **NAME_FIELDS, "provider": TEXT, "time": MOMENT,
        "lowest_ask": pa.int64(), "price": pa.decimal128(20, 8), "quantity": pa.int64(),
    }),
    "candles": pa.schema({
        **NAME_FIELDS, "time": MOMENT, "interval": TEXT,
        "open": pa.int64(), "high": pa.int64(), "low": pa.int64(), "close": pa.int64(),
        "volume": pa.int64(), "quantity": pa.int64(),
        "open_provider": TEXT, "high_provider": TEXT, "low_provider": TEXT, "close_provider": TEXT,
    }),
    "sales": pa.schema({
        **NAME_FIELDS, "provider": TEXT, "time": MOMENT, "price": pa.int64(), "float_value": pa.float64(),
        "paint_seed": pa.int64(), "stickers": TEXT, "charms": TEXT, "inspect": TEXT,
    }),
}  # fmt: skip
FILES = "s[0-9]*.arrow"
# What says that a file is not what was landed.
CORRUPT_FILE_ERRORS = (ValueError, LookupError, TypeError, AttributeError, RecursionError)


@dataclasses.dataclass(frozen=True, slots=True)
class SeriesHeader:
    """What a shard of a series asks for.

    `series` is points, candles or sales. `number` counts within the landing; `shard` is the shard's number in
    the backfill `backfill_id`. `item` is (item_id, market_hash_name, phase or None), None for sales of
    everything; `provider` None for all of them. The window is half-open, [start, end), UTC. `interval` is a
    candle's (5m, 1h, 1d).
    """

    number: int
    series: str
    backfill_id: str
    shard: int
    currency: str
    provider: str | None
    item: tuple[str | None, str, str | None] | None
    start: datetime
    end: datetime
    interval: str | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class SeriesPageMeta:
    """One page: `number` counts the shard's pages from 0, also across landings.

    `cursor` is the one that it was asked with, None for the first; `next_cursor` is None on the last.
    `observed_at` is the server's moment, `landed_at` this machine's, `oldest` the time of its oldest row.
    `rejects` are its rows that did not fit: (reason, raw text).
    """

    number: int
    cursor: str | None
    next_cursor: str | None
    observed_at: datetime
    landed_at: datetime
    oldest: datetime | None
    rows: int
    rejects: tuple[tuple[str, str], ...] = ()


class SeriesWriter:
    """Appends the pages of one shard of a series. One process at a time may do so."""

    def __init__(self, folder: Path, header: SeriesHeader) -> None:
        self.header = header
        self._path = folder / f"s{header.number:04}.arrow"
        self._schema = SCHEMAS[header.series].with_metadata({FORMAT: to_json(header)})
        self._pages = 0

    def append(self, mark: SeriesPageMeta, rows: pl.DataFrame) -> None:
        """Land a page, durable on return; one that has no room whole leaves no trace.

        Raises WarehouseFull, and TypeError for rows that have not the columns and types of their series.
        """
        content = self._encoded(mark, rows)
        with translate_os_errors(self._path.parent), UnbufferedFile(self._path, "ab") as file:
            end = file.tell()
            try:
                file.write(content[self._schema.serialize().size if end else 0 :])
                os.fdatasync(file.fileno())
            except OSError:
                file.truncate(end)
                raise
            if not end:
                fsync_directory(self._path.parent)
        self._pages += 1

    def finish(self, *, complete: bool, reason: str | None) -> None:
        """Say how the shard ended; without this it counts as torn. Raises WarehouseFull."""
        end = {"complete": complete, "reason": reason, "pages": self._pages}
        with translate_os_errors(self._path.parent):
            atomic_write(self._path.with_suffix(".json"), to_json(end))

    def _encoded(self, mark: SeriesPageMeta, rows: pl.DataFrame) -> memoryview:
        table = rows.to_arrow(compat_level=pl.CompatLevel.oldest()).combine_chunks()
        if not table.schema.equals(self._schema, check_metadata=False):
            raise TypeError(f"a page of {self.header.series} must have the columns {self._schema.names}")
        (batch,) = table.to_batches() or [pa.RecordBatch.from_pylist([], schema=self._schema)]
        stream = BytesIO()
        writer = pa.ipc.new_stream(stream, self._schema, options=COMPRESSION)
        writer.write_batch(batch, custom_metadata={FORMAT: to_json(mark)})
        return stream.getbuffer()


@dataclasses.dataclass(frozen=True, slots=True)
class LandedSeries:
    """One shard of a series as it lies on disk: its whole pages, in order."""

    path: Path
    header: SeriesHeader
    complete: bool
    reason: str | None
    pages: tuple[SeriesPageMeta, ...]

    def batches(self) -> Iterator[tuple[SeriesPageMeta, pa.RecordBatch]]:
        """The pages with their rows; all columns of the series (`SCHEMAS`)."""
        return _read_stream(self.path)

    def rejects(self) -> Iterator[tuple[str, SeriesPageMeta, str, str]]:
        """The rows that did not fit: reject_id, the mark of their page, reason and raw text."""
        for page, mark in enumerate(self.pages):
            for place, (reason, raw) in enumerate(mark.rejects):
                yield f"{self.path.parent.name}/{self.path.stem}/{page}/{place}", mark, reason, raw


def is_series_landing(folder: Path) -> bool:
    """Whether a landing is one of series."""
    return any(folder.glob(FILES))


def read_series(folder: Path) -> tuple[LandedSeries, ...]:
    """The series of a landing; a torn tail costs its last page. Raises Unreadable."""
    try:
        read = [_read_one(path) for path in sorted(folder.glob(FILES))]
    except CORRUPT_FILE_ERRORS as error:
        raise CorruptLanding.from_error(folder, error) from error
    return tuple(series for series in read if series is not None)


def _read_one(path: Path) -> LandedSeries | None:
    """A shard by its stream's path; None where not even the head of it was written."""
    try:
        with pa.memory_map(str(path)) as source:
            schema = pa.ipc.open_stream(source).schema
    except (pa.ArrowInvalid, OSError):
        return None
    header = msgspec.json.decode(schema.metadata[FORMAT], type=SeriesHeader)
    if not schema.equals(SCHEMAS[header.series]):
        raise TypeError(f"{path.name} has other columns than this Floorline knows")
    pages = tuple(mark for mark, _ in _read_stream(path))
    ended = path.with_suffix(".json")
    end = msgspec.json.decode(ended.read_bytes(), type=_Manifest) if ended.exists() else None
    if end is None:
        return LandedSeries(path, header, False, "interrupted", pages)
    if end.pages != len(pages):
        raise ValueError(f"{path.name} has {len(pages)} of its {end.pages} pages")
    return LandedSeries(path, header, end.complete, end.reason, pages)


class _Manifest(msgspec.Struct):
    complete: bool
    reason: str | None
    pages: int


def _read_stream(path: Path) -> Iterator[tuple[SeriesPageMeta, pa.RecordBatch]]:
    with pa.memory_map(str(path)) as source:
        # a page is too small for threads to share
        reader = pa.ipc.open_stream(source, options=pa.ipc.IpcReadOptions(use_threads=False))
        while True:
            try:
                batch, metadata = reader.read_next_batch_with_custom_metadata()
            except (StopIteration, pa.ArrowInvalid, OSError):
                return
            yield msgspec.json.decode(metadata[FORMAT], type=SeriesPageMeta), batch
