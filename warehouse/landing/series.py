"""Series on disk: the pages of a shard of points, candles or sales, their writer and reader.

The files are part of an ordinary landing: `s0001.arrow`, an Arrow IPC stream, and `s0001.json` at the end.
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
from common.files import atomic_write, to_json, translate_os_errors
from common.shards import Item
from warehouse.landing.arrow import FORMAT, TEXT, TIMESTAMP, append_page, read_pages, read_schema
from warehouse.landing.reader import CORRUPT_FILE_ERRORS, CorruptLanding

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
}  # fmt: skip
FILES = "s[0-9]*.arrow"


@dataclasses.dataclass(frozen=True, slots=True)
class SeriesHeader:
    """What a shard of a series requests.

    `series` is points, candles or sales. `number` counts within the landing; `shard` is the shard's number in
    the backfill `backfill_id`. `item` is None for the sales of all items, `provider` None for all providers.
    The range [start, end) is UTC. `interval` is that of candles (5m, 1h, 1d).
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
        self._path = folder / f"s{header.number:04}.arrow"
        self._schema = SCHEMAS[header.series].with_metadata({FORMAT: to_json(header)})
        self._pages = 0

    def append(self, meta: SeriesPageMeta, rows: pl.DataFrame) -> None:
        """Append a page with the columns of its series in SCHEMAS; see `append_page`."""
        append_page(self._path, self._schema, meta=meta, rows=rows)
        self._pages += 1

    def finish(self, *, complete: bool, reason: str | None) -> None:
        """Write how the shard ended; without this it counts as interrupted. Raises WarehouseFull."""
        end = {"complete": complete, "reason": reason, "pages": self._pages}
        with translate_os_errors(self._path.parent):
            atomic_write(self._path.with_suffix(".json"), to_json(end))


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
        return read_pages(self.path, SeriesPageMeta)

    def rejects(self) -> Iterator[tuple[str, SeriesPageMeta, str, str]]:
        """Yield the reject_id, the metadata of the page, the reason and the raw text of each reject."""
        for page, meta in enumerate(self.pages):
            for index, (reason, raw) in enumerate(meta.rejects):
                yield f"{self.path.parent.name}/{self.path.stem}/{page}/{index}", meta, reason, raw


class _Manifest(msgspec.Struct):
    complete: bool
    reason: str | None
    pages: int


def is_series_landing(folder: Path) -> bool:
    """Return whether a landing holds series."""
    return any(folder.glob(FILES))


def read_series(folder: Path) -> tuple[LandedSeries, ...]:
    """Read the series of a landing; a truncated stream loses its last page. Raises CorruptLanding."""
    try:
        shards = [_read_shard(path) for path in sorted(folder.glob(FILES))]
    except CORRUPT_FILE_ERRORS as error:
        raise CorruptLanding.from_error(folder, error) from error
    return tuple(shard for shard in shards if shard is not None)


def _read_shard(path: Path) -> LandedSeries | None:
    """Read a shard by the path of its stream; None where the stream ends before its first page."""
    schema = read_schema(path)
    if schema is None:
        return None
    header = msgspec.json.decode(schema.metadata[FORMAT], type=SeriesHeader)
    if not schema.equals(SCHEMAS[header.series]):
        raise TypeError(f"{path.name} has other columns than this version of Floorline knows")
    pages = tuple(meta for meta, _ in read_pages(path, SeriesPageMeta))
    manifest = path.with_suffix(".json")
    if not manifest.exists():
        return LandedSeries(path, header, complete=False, reason="interrupted", pages=pages)
    end = msgspec.json.decode(manifest.read_bytes(), type=_Manifest)
    if end.pages != len(pages):
        raise ValueError(f"{path.name} has {len(pages)} of its {end.pages} pages")
    return LandedSeries(path, header, complete=end.complete, reason=end.reason, pages=pages)
