"""Typed pages on disk: zstd frames with checksums, the first with the shard's header, then one per page.

The frame of a page holds an Arrow IPC stream of one record batch, with the page's metadata beside it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from io import BytesIO
from pathlib import Path
from typing import Final, TypeVar

import msgspec
import polars as pl
import pyarrow as pa

from common.files import append_durably, to_json
from warehouse.landing.integrity import compress_frame, file_size, read_frames
from warehouse.landing.model import PageMeta, ShardHeader
from warehouse.landing.plain_arrow import FORMAT, check_schema, read_plain_header, read_plain_pages

SUFFIX: Final = ".arrow.zst"
PLAIN_SUFFIX: Final = ".arrow"  # of versions without checksums
# Columns in lz4, in a frame that hardly compresses: this takes half the time of zstd for the columns, too.
# Threads do not help a page.
_COLUMNS: Final = pa.ipc.IpcWriteOptions(compression="lz4", use_threads=False)
_LEVEL: Final = -50
TEXT, TIMESTAMP = pa.large_string(), pa.timestamp("us", "UTC")
# The columns of a page of quotes: amounts in minor units (`lowest_ask`) and as exact decimals (`price`).
PAGE_SCHEMA = pa.schema({
    "item_id": TEXT, "market_hash_name": TEXT, "phase": TEXT, "provider": TEXT, "delivery": TEXT,
    "lowest_ask": pa.int64(), "price": pa.decimal128(20, 8), "quantity": pa.int64(),
    "timestamp": TIMESTAMP, "last_updated": TIMESTAMP, "url": TEXT,
})  # fmt: skip
_Meta = TypeVar("_Meta")


class ArrowShardWriter:
    """Writes the pages of one shard. One process at a time may append."""

    def __init__(self, path: Path, header: ShardHeader) -> None:
        self.path = path
        self._header = encode_header(header)

    def append(self, meta: PageMeta, rows: pl.DataFrame) -> None:
        """Append a page with the columns of PAGE_SCHEMA; see `append_page`."""
        append_page(self.path, PAGE_SCHEMA, header=self._header, meta=meta, rows=rows)

    def append_all(self, pages: Sequence[tuple[PageMeta, pl.DataFrame]]) -> None:
        """Append pages with the columns of PAGE_SCHEMA, durable on return; see `append_page`.

        Pages that fit only in part leave no trace.
        """
        frames = b"".join(_encode_page(self.path, PAGE_SCHEMA, meta, rows=rows) for meta, rows in pages)
        append_durably(self.path, self._header + frames, header_size=len(self._header))


def encode_header(header: object) -> bytes:
    """Return the frame of a shard's header."""
    return compress_frame(to_json(header), level=_LEVEL)


def append_page(path: Path, schema: pa.Schema, *, header: bytes, meta: object, rows: pl.DataFrame) -> None:
    """Append a page to a shard, durable on return; a page that fits only in part leaves no trace.

    The frame of the header goes before the first page. Raises WarehouseFull, and TypeError where `rows` has
    other columns or types than `schema`.
    """
    page = _encode_page(path, schema, meta, rows=rows)
    append_durably(path, header + page, header_size=len(header))


def _encode_page(path: Path, schema: pa.Schema, meta: object, *, rows: pl.DataFrame) -> bytes:
    # Column by column: DataFrame.to_arrow starts a thread pool for every page.
    columns = [column.to_arrow(compat_level=pl.CompatLevel.oldest()) for column in rows]
    batch = pa.RecordBatch.from_arrays(columns, names=rows.columns)
    if not batch.schema.equals(schema):
        raise TypeError(f"a page of {path.name} must have the columns {schema}, not {batch.schema}")
    stream = BytesIO()
    writer = pa.ipc.new_stream(stream, schema, options=_COLUMNS)
    writer.write_batch(batch, custom_metadata={FORMAT: to_json(meta)})
    return compress_frame(stream.getbuffer(), level=_LEVEL)


def find_stream(folder: Path, number: str) -> Path:
    """Return the path of a shard's pages by its number in file names, whether or not the file exists."""
    plain = folder / f"{number}{PLAIN_SUFFIX}"
    return plain if plain.exists() else folder / f"{number}{SUFFIX}"


def read_stream_header(path: Path) -> bytes | None:
    """Return the JSON of a shard's header; None where there is no file, or the file ends before it.

    Raises DamagedFile and OSError.
    """
    if not os.path.lexists(path):
        return None
    file_size(path)
    return next(read_frames(path, may_be_torn=True), None) if _has_frames(path) else read_plain_header(path)


def read_pages(
    path: Path, schema: pa.Schema, kind: type[_Meta], columns: Sequence[str] = ()
) -> Iterator[tuple[_Meta, pa.RecordBatch]]:
    """Yield the complete pages of a shard in order: metadata of type `kind`, and all or these columns.

    Raises DamagedFile, OSError, and TypeError where the columns are not those of `schema`.
    """
    if not _has_frames(path):
        yield from read_plain_pages(path, schema, kind, columns)
        return
    fields = [schema.get_field_index(name) for name in columns]
    options = pa.ipc.IpcReadOptions(included_fields=fields, use_threads=False)
    for number, page in enumerate(read_frames(path, may_be_torn=True)):
        if number == 0:  # the header
            continue
        check_schema(path, pa.ipc.read_schema(pa.py_buffer(page)), schema)
        reader = pa.ipc.open_stream(page, options=options)
        batch, metadata = reader.read_next_batch_with_custom_metadata()
        yield msgspec.json.decode(metadata[FORMAT], type=kind), batch


def _has_frames(path: Path) -> bool:
    return path.name.endswith(SUFFIX)
