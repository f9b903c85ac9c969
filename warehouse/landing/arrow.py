"""The pages of one shard on disk: an Arrow IPC stream that grows by whole pages, from whatever process."""

from __future__ import annotations

import dataclasses
import os
from io import BytesIO
from pathlib import Path

import polars as pl
import pyarrow as pa

from common.files import UnbufferedFile, fsync_directory, to_json, translate_os_errors
from warehouse.landing.model import PageMeta, ShardHeader

# Against zstd: half the time to write, a third to read, twice the room. A page is too small for threads.
COMPRESSION = pa.ipc.IpcWriteOptions(compression="lz4", use_threads=False)
FORMAT = b"floorline"
TEXT, MOMENT = pa.large_string(), pa.timestamp("us", "UTC")
# What every page holds: amounts in minor units (`lowest_ask`) and as exact decimals (`price`), times in UTC.
PAGE_SCHEMA = pa.schema({
    "item_id": TEXT, "market_hash_name": TEXT, "phase": TEXT, "provider": TEXT, "delivery": TEXT,
    "lowest_ask": pa.int64(), "price": pa.decimal128(20, 8), "quantity": pa.int64(),
    "timestamp": MOMENT, "last_updated": MOMENT, "url": TEXT,
})  # fmt: skip


@dataclasses.dataclass(frozen=True, slots=True)
class ArrowShardWriter:
    """A shard's stream. One process at a time may append to it."""

    path: Path
    header: ShardHeader

    def append(self, mark: PageMeta, rows: pl.DataFrame) -> None:
        """Land a page, durable on return; one that has no room whole leaves no trace.

        Raises WarehouseFull, and TypeError for rows that have not the columns and types of ROWS.
        """
        content = self._encoded(mark, rows)
        with translate_os_errors(self.path.parent), UnbufferedFile(self.path, "ab") as file:
            end = file.tell()
            try:
                file.write(content[self._head if end else 0 :])
                os.fdatasync(file.fileno())
            except OSError:
                file.truncate(end)
                raise
            if not end:
                fsync_directory(self.path.parent)

    @property
    def _schema(self) -> pa.Schema:
        return PAGE_SCHEMA.with_metadata({FORMAT: to_json(self.header)})

    @property
    def _head(self) -> int:
        """The size of what stands before the first page."""
        return int(self._schema.serialize().size)

    def _encoded(self, mark: PageMeta, rows: pl.DataFrame) -> memoryview:
        stream = BytesIO()
        writer = pa.ipc.new_stream(stream, self._schema, options=COMPRESSION)
        writer.write_batch(_batch(rows), custom_metadata={FORMAT: to_json(mark)})
        return stream.getbuffer()


def _batch(rows: pl.DataFrame) -> pa.RecordBatch:
    # column by column: the frame's own way wakes a pool of threads for every page
    columns = [column.to_arrow(compat_level=pl.CompatLevel.oldest()) for column in rows]
    batch = pa.RecordBatch.from_arrays(columns, names=rows.columns)
    if not batch.schema.equals(PAGE_SCHEMA):
        raise TypeError(f"a page must have the columns {PAGE_SCHEMA}, not {batch.schema}")
    return batch
