"""`floorline query` shows every value of every type as it is: at any width, in a pipe, as JSON and as CSV."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path
from typing import Any, NoReturn

import duckdb
import pytest
from hypothesis import given, settings

from common.text import FORMULA, escape, unescape
from floorline.cli.render.query import Form, print_results
from tests.support.sql_values import SqlValue, select, sql_columns
from tests.support.terminals import cells_of, printed, read_table
from warehouse.queries.session import query_results

Columns = dict[str, list[SqlValue]]


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("query") / "market.duckdb"
    duckdb.connect(path).close()
    return path


def shown(database: Path, sql: str, width: int | None = None, form: Form = "table") -> str:
    """Return what the command prints for a query."""

    def query() -> None:
        with query_results(database, sql) as results:
            print_results(results, form=form)

    return printed(width, query)


def is_value(text: str, value: SqlValue) -> bool:
    """Return whether a cell shows the value, or the beginning of a text that cuts no number."""
    if value.text is None:
        return value.reads(text)
    whole = value.text if value.sql.endswith("::BLOB") else escape(value.text)
    kept, ellipsis, _ = text.partition("…")
    assert ellipsis or value.sql.endswith("::BLOB") or unescape(text) == value.text
    cuts_number = bool(re.search(r"\d$", kept) and re.match(r"[.,:-]?\d", whole[len(kept) :]))
    return whole.startswith(kept) and not cuts_number and (bool(ellipsis) or kept == whole)


@pytest.mark.parametrize("width", [60, 80, 140, 200, None])
@settings(max_examples=25)
@given(columns=sql_columns())
def test_every_shown_value_is_the_value(database: Path, width: int | None, columns: Columns) -> None:
    text = shown(database, select(columns), width)
    table = read_table(text)
    rows = len(next(iter(columns.values())))
    assert table.counted == ("1 row" if rows == 1 else f"{rows} rows")
    assert sorted(table.columns + table.left_out) == sorted(columns)
    assert width is not None or table.left_out == []
    assert "\x1b" not in text
    for number, row in enumerate(table.rows):
        for name, cell in zip(table.columns, row, strict=True):
            assert is_value(cell, columns[name][number]), (name, cell, columns[name][number].sql)
            assert width is not None or "…" not in cell
    if width is not None and len(table.columns) > 1:
        assert max(map(cells_of, text.splitlines()[: 1 + rows])) <= width


def refuse(constant: str) -> NoReturn:
    raise AssertionError(f"{constant} is no JSON")


def json_is_value(read: Any, value: SqlValue) -> bool:
    """Return whether a value read from JSON is the value; None is NaN or an infinity."""
    if read is None:
        return any(value.reads(text) for text in ("nan", "inf", "-inf"))
    if isinstance(read, dict) and value.text and not value.text.startswith("{'"):
        return value.reads("{" + ", ".join(f"{key}={number}" for key, number in read.items()) + "}")
    if isinstance(read, dict):
        return value.reads(str(read))
    # A decimal in a list is a string.
    return value.reads(read if isinstance(read, str) else json.dumps(read).replace('"', ""))


@pytest.mark.slow
@settings(max_examples=60)
@given(columns=sql_columns())
def test_json_and_csv_have_every_value(database: Path, columns: Columns) -> None:
    rows = list(zip(*columns.values(), strict=True))
    envelope = json.loads(shown(database, select(columns), form="json"), parse_constant=refuse)
    for read, row in zip(envelope["result"], rows, strict=True):
        assert list(read) == list(columns)
        for text, value in zip(read.values(), row, strict=True):
            assert json_is_value(text, value), (text, value.sql)
    heading, *lines = csv.reader(io.StringIO(shown(database, select(columns), form="csv"), newline=""))
    assert heading == list(columns)
    for line, row in zip(lines, rows, strict=True):
        for text, value in zip(line, row, strict=True):
            unguarded = text.removeprefix("'") if value.text and FORMULA.match(value.text) else text
            assert value.reads(unguarded), (text, value.sql)
