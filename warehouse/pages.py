"""The pages of one shard on disk: an Arrow IPC stream that grows by whole pages, from whatever process."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Mapping
from datetime import datetime
from io import BytesIO, FileIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import polars as pl
import pyarrow as pa

from warehouse.errors import on_disk
from warehouse.home import sync_folder

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

# Against zstd: half the time to write, a third to read, twice the room. A page is too small for threads.
COMPRESSION = pa.ipc.IpcWriteOptions(compression="lz4", use_threads=False)
FORMAT = b"floorline"
TEXT, MOMENT = pa.large_string(), pa.timestamp("us", "UTC")
# What every page holds: amounts in minor units (`lowest_ask`) and as exact decimals (`price`), times in UTC.
ROWS = pa.schema({
    "item_id": TEXT, "market_hash_name": TEXT, "phase": TEXT, "provider": TEXT, "delivery": TEXT,
    "lowest_ask": pa.int64(), "price": pa.decimal128(20, 8), "quantity": pa.int64(),
    "timestamp": MOMENT, "last_updated": MOMENT, "url": TEXT,
})  # fmt: skip


def to_json(value: object) -> bytes:
    """Dataclasses and moments as JSON; what is no character in a text becomes a question mark."""

    def plain(item: object) -> object:
        if isinstance(item, datetime):
            return item.isoformat()
        if dataclasses.is_dataclass(item) and not isinstance(item, type):
            return dataclasses.asdict(item)
        raise TypeError(type(item).__name__)

    return json.dumps(value, default=plain, ensure_ascii=False).encode(errors="replace")


@dataclasses.dataclass(frozen=True, slots=True)
class ShardHeader:
    """What a shard asks for.

    `deliveries` are those that its answer tells of, each row naming its own. `items` holds (item_id or None,
    market_hash_name, phase or None); None stands for everything: the whole catalog, in which no aggregate is,
    or with `listing` all that the source lists, aggregates among it.
    """

    number: int
    currency: str
    deliveries: tuple[str, ...]
    providers: tuple[str, ...]
    items: tuple[tuple[str | None, str, str | None], ...] | None
    listing: bool = False

    @classmethod
    def parse(cls, fields: Mapping[str, Any]) -> Self:
        """From the JSON in the stream's schema; an older one has one `delivery`."""
        items = fields["items"]
        return cls(
            number=fields["number"],
            currency=fields["currency"],
            deliveries=tuple(fields["deliveries"] if "deliveries" in fields else [fields["delivery"]]),
            providers=tuple(fields["providers"]),
            items=None if items is None else tuple((i, n, p) for i, n, p in items),
            listing=fields.get("listing", False),
        )


@dataclasses.dataclass(frozen=True, slots=True)
class PageMark:
    """Where a page belongs: the newest page of the same (`request`, `offset`) is the one that counts.

    `observed_at` is the server's moment, `landed_at` this machine's; `total` is -1 where it is unknown.
    `rejects` are its rows that did not fit: (reason, raw text).
    """

    request: int
    offset: int
    total: int
    observed_at: datetime
    landed_at: datetime
    fingerprint: str
    rejects: tuple[tuple[str, str], ...] = ()

    @classmethod
    def parse(cls, fields: Mapping[str, Any]) -> Self:
        """From the JSON of a record batch's metadata, or of the shard's end."""
        moments = {name: datetime.fromisoformat(fields[name]) for name in ("observed_at", "landed_at")}
        rejects = tuple((reason, raw) for reason, raw in fields.get("rejects", ()))
        return cls(**{**fields, **moments, "rejects": rejects})


@dataclasses.dataclass(frozen=True, slots=True)
class ShardFile:
    """A shard's stream. One process at a time may append to it."""

    path: Path
    header: ShardHeader

    def append(self, mark: PageMark, rows: pl.DataFrame) -> None:
        """Land a page, durable on return; one that has no room whole leaves no trace.

        Raises WarehouseFull, and TypeError for rows that have not the columns and types of ROWS.
        """
        content = self._encoded(mark, rows)
        with on_disk(self.path.parent), WholeFile(self.path, "ab") as file:
            end = file.tell()
            try:
                file.write(content[self._head if end else 0 :])
                os.fdatasync(file.fileno())
            except OSError:
                file.truncate(end)
                raise
            if not end:
                sync_folder(self.path.parent)

    @property
    def _schema(self) -> pa.Schema:
        return ROWS.with_metadata({FORMAT: to_json(self.header)})

    @property
    def _head(self) -> int:
        """The size of what stands before the first page."""
        return int(self._schema.serialize().size)

    def _encoded(self, mark: PageMark, rows: pl.DataFrame) -> memoryview:
        stream = BytesIO()
        writer = pa.ipc.new_stream(stream, self._schema, options=COMPRESSION)
        writer.write_batch(_batch(rows), custom_metadata={FORMAT: to_json(mark)})
        return stream.getbuffer()


class WholeFile(FileIO):
    """An unbuffered file that writes all it is given or raises; FileIO may write less without a word."""

    def write(self, content: ReadableBuffer, /) -> int:
        """Write all of `content`."""
        rest = memoryview(content).cast("B")
        while rest:
            rest = rest[super().write(rest) :]
        return memoryview(content).nbytes


def _batch(rows: pl.DataFrame) -> pa.RecordBatch:
    # column by column: the frame's own way wakes a pool of threads for every page
    columns = [column.to_arrow(compat_level=pl.CompatLevel.oldest()) for column in rows]
    batch = pa.RecordBatch.from_arrays(columns, names=rows.columns)
    if not batch.schema.equals(ROWS):
        raise TypeError(f"a page must have the columns {ROWS}, not {batch.schema}")
    return batch
