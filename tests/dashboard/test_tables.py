"""Tables: the page, CSV and JSON have the same rows, exact amounts, and no formula for a spreadsheet."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from dashboard.tables import Column, Row, Table

COLUMNS = (
    Column("item", "Item"),
    Column("price", "Price", "price"),
    Column("change", "24 h", "change", secondary=True),
    Column("listed", "Listed", "count"),
    Column("seen", "Seen", "age"),
    Column("at", "At", "moment"),
    Column("week", "7 d", "chart"),
)
AT = datetime(2026, 6, 1, 12, tzinfo=UTC)


def table(*rows: Row) -> Table:
    return Table("asks", "Asks", COLUMNS, rows)


def row(item: str | None, price: Decimal | None = None) -> Row:
    values = {"item": item, "price": price, "change": -0.25, "listed": 1200, "at": AT, "week": "<svg/>"}
    return Row(values | {"seen": timedelta(minutes=5)}, {"item": "/item/x"})


def test_each_form_has_the_same_row() -> None:
    shown = table(row("AK-47", Decimal("1234.50000000")))
    assert [column.show(shown.rows[0].values[column.key]) for column in shown.data_columns] == [
        "AK-47", "1,234.50", "\N{MINUS SIGN}25.0%", "1,200", "5 min", "1 Jun 2026 12:00",
    ]  # fmt: skip
    assert shown.to_csv() == (
        "item,price,change,listed,seen,at\nAK-47,1234.50000000,-0.25,1200,300.0,2026-06-01T12:00:00+00:00\n"
    )
    assert json.loads(shown.to_json()) == [
        {
            "item": "AK-47",
            "price": "1234.50000000",
            "change": -0.25,
            "listed": 1200,
            "seen": 300.0,
            "at": "2026-06-01T12:00:00+00:00",
        }
    ]


def test_columns_of_numbers_are_numeric() -> None:
    assert [column.key for column in COLUMNS if column.is_numeric] == [
        "price", "change", "listed", "seen", "at",
    ]  # fmt: skip


def test_missing_values_are_shown_as_such() -> None:
    shown = table(row(None))
    assert [column.show(shown.rows[0].values[column.key]) for column in COLUMNS[:2]] == ["", "\N{EN DASH}"]
    assert shown.to_csv().splitlines()[1].startswith(",,-0.25")
    assert json.loads(shown.to_json())[0]["price"] is None


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))))
def test_csv_keeps_every_name_and_no_formula(names: list[str]) -> None:
    read = list(csv.reader(io.StringIO(table(*map(row, names)).to_csv(), newline="")))[1:]
    assert [line[0].removeprefix("'") for line in read] == [name.removeprefix("'") for name in names]
    assert not any(line[0].startswith(("=", "+", "-", "@", "\t", "\r")) for line in read)
