"""Typed pages of versions without checksums: one Arrow IPC stream per shard, with a batch per page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import msgspec
import pyarrow as pa

FORMAT = b"floorline"  # the key of our metadata, in the schema and beside each batch
_Meta = TypeVar("_Meta")


def check_schema(path: Path, found: pa.Schema, expected: pa.Schema) -> None:
    """Raise TypeError where the columns of a file are not the expected ones."""
    if not found.equals(expected):
        raise TypeError(f"{path.name} has other columns than this version of Floorline knows")


def read_plain_header(path: Path) -> bytes | None:
    """Return the JSON of a stream's header; None where the file ends before it."""
    try:
        with pa.memory_map(str(path)) as source:
            return bytes(pa.ipc.open_stream(source).schema.metadata[FORMAT])
    except (pa.ArrowInvalid, OSError):
        return None


def read_plain_pages(
    path: Path, schema: pa.Schema, kind: type[_Meta], columns: Sequence[str] = ()
) -> Iterator[tuple[_Meta, pa.RecordBatch]]:
    """Yield the complete pages of a stream in order: metadata of type `kind`, and all or these columns.

    Raises TypeError where the columns of the file are not those of `schema`.
    """
    with pa.memory_map(str(path)) as source:
        check_schema(path, pa.ipc.open_stream(source).schema, schema)
        source.seek(0)  # read again: columns are selected by their index in the schema
        fields = [schema.get_field_index(name) for name in columns]
        options = pa.ipc.IpcReadOptions(included_fields=fields, use_threads=False)
        reader = pa.ipc.open_stream(source, options=options)
        while True:
            try:
                batch, metadata = reader.read_next_batch_with_custom_metadata()
            except (StopIteration, pa.ArrowInvalid, OSError):
                return
            yield msgspec.json.decode(metadata[FORMAT], type=kind), batch
