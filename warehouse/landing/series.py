"""Series on disk: the pages of a shard of points, candles, sales or daily points, their writer and reader.

The files are part of an ordinary landing: `s0001.arrow.zst` as in warehouse/landing/arrow.py, and at the end
`s0001.json`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import msgspec
import polars as pl
import pyarrow as pa

from common.clock import bound_moment
from common.files import translate_os_errors
from common.shards import Item
from warehouse.landing.arrow import (
    SUFFIX,
    TEXT,
    TIMESTAMP,
    append_page,
    encode_header,
    find_stream,
    read_pages,
    read_stream_header,
)
from warehouse.landing.integrity import DamagedFile, file_size, read_json, write_json
from warehouse.landing.inventory import SERIES_FILES
from warehouse.landing.ndjson import check_number, check_size, shard_number
from warehouse.landing.reader import refuse_corrupt_files

NAME_FIELDS = {"item_id": TEXT, "market_hash_name": TEXT, "phase": TEXT}
# The columns of a page, by series. Amounts are minor units, but the exact `price` of a point; times are UTC.
SCHEMAS = {
    "points": pa.schema({
        **NAME_FIELDS, "provider": TEXT, "time": TIMESTAMP,
        "lowest_ask": pa.int64(), "price": pa.decimal128(20, 8), "quantity": pa.int64(),
    }),
    "candles": pa.schema({
        **NAME_FIELDS, "time": TIMESTAMP, "interval": TEXT,
        "open": pa.int64(), "high": pa.int64(), "low": pa.int64(), "close": pa.int64(),
        "volume": pa.int64(), "quantity": pa.int64(),
        "open_provider": TEXT, "high_provider": TEXT, "low_provider": TEXT, "close_provider": TEXT,
    }),
    "sales": pa.schema({
        **NAME_FIELDS, "provider": TEXT, "time": TIMESTAMP, "price": pa.int64(), "float_value": pa.float64(),
        "paint_seed": pa.int64(), "stickers": TEXT, "charms": TEXT, "inspect": TEXT,
    }),
    "daily": pa.schema({
        **NAME_FIELDS, "provider": TEXT, "time": TIMESTAMP, "amount": pa.int64(), "quantity": pa.int64(),
    }),
}  # fmt: skip


@dataclasses.dataclass(frozen=True, slots=True)
class SeriesHeader:
    """What a shard of a series requests.

    `series` is points, candles, sales or daily. `number` counts within the landing; `shard` is the shard's
    number in the backfill `backfill_id`. `item` is None for the sales of all items, `provider` None for all
    providers. The range [start, end) is UTC. `interval` is that of candles (5m, 1h, 1d).
    """

    number: int
    series: str
    backfill_id: str
    shard: int
    currency: str
    provider: str | None
    item: Item | None
    start: datetime
    end: datetime
    interval: str | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class SeriesPageMeta:
    """The metadata of a page: `number` counts the shard's pages from 0, also across landings.

    `cursor` is the requested one, None for the first page; `next_cursor` is None on the last page.
    `observed_at` is the server's time, `landed_at` this machine's, `oldest` the time of the oldest row.
    `rejects` are the rows that could not be parsed: (reason, raw text).
    """

    number: int
    cursor: str | None
    next_cursor: str | None
    observed_at: datetime
    landed_at: datetime
    oldest: datetime | None
    rows: int
    rejects: tuple[tuple[str, str], ...] = ()

    @property
    def moment(self) -> datetime:
        """The time that counts for the rows: the server's, unless that lies ahead of this machine's."""
        return bound_moment(self.observed_at, self.landed_at)


class SeriesWriter:
    """Writes the pages of one shard of a series. One process at a time may append."""

    def __init__(self, folder: Path, header: SeriesHeader) -> None:
        self.header = header
        self._path = folder / f"s{header.number:04}{SUFFIX}"
        self._header = encode_header(header)
        self._pages = 0

    def append(self, meta: SeriesPageMeta, rows: pl.DataFrame) -> None:
        """Append a page with the columns of its series in SCHEMAS; see `append_page`."""
        schema = SCHEMAS[self.header.series]
        append_page(self._path, schema, header=self._header, meta=meta, rows=rows)
        self._pages += 1

    def finish(self, *, complete: bool, reason: str | None) -> None:
        """Write how the shard ended; without this it counts as interrupted. Raises WarehouseFull."""
        size = self._path.stat().st_size if self._pages else 0
        end = {"complete": complete, "reason": reason, "pages": self._pages, "bytes": size}
        with translate_os_errors(self._path.parent):
            write_json(self._path.with_name(f"s{self.header.number:04}.json"), end)


@dataclasses.dataclass(frozen=True, slots=True)
class LandedSeries:
    """A shard of a series on disk: its complete pages, in order."""

    path: Path
    header: SeriesHeader
    complete: bool
    reason: str | None
    pages: tuple[SeriesPageMeta, ...]

    def batches(self) -> Iterator[tuple[SeriesPageMeta, pa.RecordBatch]]:
        """Yield the pages with their rows, all columns of the series (`SCHEMAS`)."""
        return read_pages(self.path, SCHEMAS[self.header.series], SeriesPageMeta)

    def rejects(self) -> Iterator[tuple[str, SeriesPageMeta, str, str]]:
        """Yield the reject_id, the metadata of the page, the reason and the raw text of each reject."""
        for page, meta in enumerate(self.pages):
            for index, (reason, raw) in enumerate(meta.rejects):
                yield f"{self.path.parent.name}/{shard_number(self.path)}/{page}/{index}", meta, reason, raw


class _Manifest(msgspec.Struct):
    complete: bool
    reason: str | None
    pages: int
    bytes: int | None = None  # older versions did not write the size


def read_series(folder: Path) -> tuple[LandedSeries, ...]:
    """Read the series of a landing; of an interrupted run, a truncated file loses its last page.

    Raises CorruptLanding.
    """
    with refuse_corrupt_files(folder):
        numbers = sorted({shard_number(path) for path in folder.glob(SERIES_FILES)})
        shards = [_read_shard(folder, number) for number in numbers]
    return tuple(shard for shard in shards if shard is not None)


def _read_shard(folder: Path, number: str) -> LandedSeries | None:
    """Read a shard by its number in file names; None where it ended before its first page."""
    manifest, path = folder / f"{number}.json", find_stream(folder, number)
    end = read_json(manifest, _Manifest) if manifest.exists() else None
    head = read_stream_header(path)
    if head is None:
        if end is not None and end.pages:
            raise DamagedFile(f"{path.name} has none of its {end.pages} pages")
        return None
    header = msgspec.json.decode(head, type=SeriesHeader)
    check_number(path, header.number)
    pages = tuple(meta for meta, _ in read_pages(path, SCHEMAS[header.series], SeriesPageMeta))
    if end is None:
        return LandedSeries(path, header, complete=False, reason="interrupted", pages=pages)
    if end.pages != len(pages):
        raise DamagedFile(f"{path.name} has {len(pages)} of its {end.pages} pages")
    if end.bytes is not None:
        check_size(path, file_size(path), end.bytes)
    return LandedSeries(path, header, complete=end.complete, reason=end.reason, pages=pages)
