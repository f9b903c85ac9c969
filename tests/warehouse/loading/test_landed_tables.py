"""Few rows and many rows reach DuckDB in different ways, with the same values."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from warehouse.landing.arrow import PAGE_SCHEMA
from warehouse.landing.reader import CorruptLanding
from warehouse.loading.landed_tables import FEW_ROWS, register_batches

TEXTS = ("", "★ Karambit", 'a\0b"\\', "null", '{"a": 1}', "\u2028", "2026-01-01", None)
NUMBERS = (0, 1, 2**63 - 1, -(2**63), None)
PRICES = ("0", "0.00000001", "-0.00000001", "999999999999.99999999", None)
TIMES = (
    datetime(1, 1, 1, tzinfo=UTC),
    datetime(2026, 11, 30, 1, 2, 3, 4, tzinfo=UTC),
    datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
    None,
)


def value_of(kind: pa.DataType, number: int) -> Any:
    if kind == pa.large_string():
        return TEXTS[number % len(TEXTS)]
    if kind == pa.int64():
        return NUMBERS[number % len(NUMBERS)]
    if kind == pa.decimal128(20, 8):
        price = PRICES[number % len(PRICES)]
        return None if price is None else Decimal(price)
    return TIMES[number % len(TIMES)]


def batch_of(rows: int) -> pa.RecordBatch:
    columns = [
        pa.array([value_of(field.type, row + column) for row in range(rows)], field.type)
        for column, field in enumerate(PAGE_SCHEMA)
    ]
    return pa.RecordBatch.from_arrays(columns, schema=PAGE_SCHEMA)


@pytest.mark.parametrize("rows", [0, 1, FEW_ROWS, FEW_ROWS + 1])
def test_rows_have_the_same_values_and_types_in_a_table_and_in_a_stream(rows: int) -> None:
    batch = batch_of(rows)
    with duckdb.connect() as db:
        db.execute("SET TimeZone = 'UTC'")
        for _ in range(2):  # nothing is left of the first one
            with register_batches(db, PAGE_SCHEMA, iter([batch])):
                db.execute("CREATE OR REPLACE TABLE copy AS FROM landed_row")
            read = db.execute("FROM copy").fetchall()
            assert sorted(map(repr, read)) == sorted(repr(tuple(row.values())) for row in normal(batch))
        types = [kind for _, kind, *_ in db.execute("DESCRIBE copy").fetchall()]
    moment = "TIMESTAMP WITH TIME ZONE"
    assert types == [*["VARCHAR"] * 5, "BIGINT", "DECIMAL(20,8)", "BIGINT", moment, moment, "VARCHAR"]


def normal(batch: pa.RecordBatch) -> list[dict[str, Any]]:
    """Return the rows as DuckDB returns them: prices with eight digits, times in its own UTC."""
    with duckdb.connect() as db:
        zone = db.execute("SET TimeZone = 'UTC'; SELECT now()").fetchall()[0][0].tzinfo
    return [
        {
            name: value.quantize(Decimal("1e-8"))
            if isinstance(value, Decimal)
            else value.replace(tzinfo=zone)
            if isinstance(value, datetime)
            else value
            for name, value in row.items()
        }
        for row in batch.to_pylist()
    ]


@pytest.mark.parametrize("rows", [1, 20_000])
def test_error_of_the_batches_is_raised_as_it_is(rows: int, tmp_path: Path) -> None:
    def batches() -> Iterator[pa.RecordBatch]:
        yield batch_of(rows)
        raise CorruptLanding(tmp_path, "torn")

    with (
        duckdb.connect() as db,
        pytest.raises(CorruptLanding, match="torn"),
        register_batches(db, PAGE_SCHEMA, batches()),
    ):
        db.execute("CREATE TABLE copy AS FROM landed_row")
