"""The temporary tables and views of what was landed: Arrow batches as a stream, or as a small table."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from itertools import chain, islice
from typing import Any, Final

import duckdb
import pyarrow as pa

from common.files import to_json

BATCH_ROWS: Final = 16_000
# For a stream of so few rows, DuckDB would import other libraries, and build its hash tables from the names.
FEW_ROWS: Final = 100
# The types that JSON carries exactly.
DUCKDB_TYPES: Final[Mapping[pa.DataType, str]] = {
    pa.large_string(): "VARCHAR",
    pa.int32(): "INTEGER",
    pa.int64(): "BIGINT",
    pa.decimal128(20, 8): "DECIMAL(20, 8)",
    pa.timestamp("us", "UTC"): "TIMESTAMPTZ",
}


def create_table(
    db: duckdb.DuckDBPyConnection,
    name: str,
    columns: Mapping[str, str],
    rows: Iterable[Sequence[Any]],
) -> None:
    """Create a small temporary table, with our own names, from JSON: a frame needs other libraries."""
    content = [dict(zip(columns, row, strict=True)) for row in rows]
    if not content:
        types = ", ".join(f"{column} {kind}" for column, kind in columns.items())
        db.execute(f"CREATE OR REPLACE TEMP TABLE {name} ({types})")
        return
    db.execute(
        f"CREATE OR REPLACE TEMP TABLE {name} AS"  # noqa: S608 - our own names
        f" SELECT row.* FROM (SELECT unnest(from_json(?, '{json.dumps([columns])}')) AS row)",
        [to_json(content).decode()],
    )


@contextlib.contextmanager
def register_batches(
    db: duckdb.DuckDBPyConnection, schema: pa.Schema, batches: Iterator[pa.RecordBatch]
) -> Iterator[None]:
    """Make landed_row of these batches, for one query; the errors of `batches` are raised.

    Many rows are a stream, which one query can read once. Few rows are a temporary table.
    """
    failures: list[Exception] = []  # DuckDB would report them as an input error, with their traceback
    stream = _keep_failures(_coalesce(batches), failures)
    first = list(islice(stream, 1))
    try:
        with (
            _as_table(db, schema, first)
            if _is_small(schema, first)
            else _as_stream(db, schema, chain(first, stream))
        ):
            yield
    except duckdb.Error:
        if failures:
            raise failures[0] from None
        raise


def _is_small(schema: pa.Schema, first: Sequence[pa.RecordBatch]) -> bool:
    """Return whether the first batch has all rows, few ones, and JSON their types."""
    return sum(map(len, first)) <= FEW_ROWS and all(field.type in DUCKDB_TYPES for field in schema)


@contextlib.contextmanager
def _as_table(
    db: duckdb.DuckDBPyConnection, schema: pa.Schema, batches: Iterable[pa.RecordBatch]
) -> Iterator[None]:
    columns = {field.name: DUCKDB_TYPES[field.type] for field in schema}
    rows = (_to_json_values(row) for batch in batches for row in batch.to_pylist())
    create_table(db, "landed_row", columns, rows)
    try:
        yield
    finally:
        db.execute("DROP TABLE landed_row")


def _to_json_values(row: Mapping[str, object]) -> list[object]:
    return [str(value) if isinstance(value, Decimal) else value for value in row.values()]


@contextlib.contextmanager
def _as_stream(
    db: duckdb.DuckDBPyConnection, schema: pa.Schema, batches: Iterator[pa.RecordBatch]
) -> Iterator[None]:
    db.register("landed_row", pa.RecordBatchReader.from_batches(schema, batches))
    try:
        with preserve_join_order(db):
            yield
    finally:
        db.unregister("landed_row")


@contextlib.contextmanager
def preserve_join_order(db: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Build the hash table of each join from its right side.

    DuckDB cannot estimate the rows of a compressed file or a stream of batches. It takes the names for the
    larger side and puts every row into a hash table, which doubles the time. After an error in a transaction,
    whoever rolls it back sets the option back: until then, DuckDB takes no option.
    """
    ((disabled,),) = db.execute("SELECT current_setting('disabled_optimizers')").fetchall()
    db.execute(f"SET disabled_optimizers = '{','.join(filter(None, (disabled, 'build_side_probe_side')))}'")
    try:
        yield
    except BaseException:
        with contextlib.suppress(duckdb.TransactionException):
            db.execute(f"SET disabled_optimizers = '{disabled}'")
        raise
    db.execute(f"SET disabled_optimizers = '{disabled}'")


def _keep_failures(batches: Iterator[pa.RecordBatch], failures: list[Exception]) -> Iterator[pa.RecordBatch]:
    try:
        yield from batches
    except Exception as error:
        failures.append(error)
        raise


def _coalesce(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Yield the same rows in larger batches: DuckDB requests them one at a time, from one thread."""
    pending: list[pa.RecordBatch] = []
    for batch in batches:
        pending.append(batch)
        if sum(map(len, pending)) >= BATCH_ROWS:
            yield pa.concat_batches(pending)
            pending = []
    if pending:
        yield pa.concat_batches(pending)
