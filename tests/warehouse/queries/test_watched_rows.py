"""The rows of a watch: bounded, harmless and exact; SQL that is no single SELECT is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from common.warehouse_errors import NotPublished, QueryRejected
from tests.support.cases import slow_but
from tests.support.watches import create_record
from warehouse.paths import Database
from warehouse.queries.watched_rows import MAX_COLUMNS, MAX_ROWS, check_select, find_rows


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Database:
    return create_record(tmp_path_factory.mktemp("record") / "data").published_database


def test_rows_are_text_in_the_order_of_the_query(database: Database) -> None:
    found = find_rows(database, "SELECT price, provider, quantity FROM quotes ORDER BY price DESC LIMIT 2")
    assert found.records() == [
        {"price": "950.00", "provider": "steam", "quantity": "1"},
        {"price": "900.00", "provider": "steam", "quantity": "1"},
    ]
    assert (found.count, found.has_more) == ("2 rows", False)


@pytest.mark.parametrize(
    ("sql", "value"),
    [
        ("NULL", None),
        ("0.00000001::DECIMAL(20, 8)", "0.00000001"),
        ("12::DECIMAL(20, 0)", "12"),
        ("123456789012345678901234567890::HUGEINT", "123456789012345678901234567890"),
        ("TIMESTAMPTZ '2026-06-01 12:00:00+00'", "2026-06-01 12:00:00+00"),
        ("'a' || chr(10) || chr(27) || 'b'", "a \\x1bb"),
        ("[1, 2]", "[1, 2]"),
    ],
)
def test_value_is_exact_and_on_one_line(database: Database, sql: str, value: str | None) -> None:
    assert find_rows(database, f"SELECT {sql} AS v").rows == ((value,),)


def test_result_is_bounded(database: Database) -> None:
    columns = ", ".join(f"i AS c{number}" for number in range(MAX_COLUMNS + 5))
    found = find_rows(database, f"SELECT {columns} FROM range({MAX_ROWS + 1}) t(i)")
    assert (len(found.rows), len(found.columns), found.count) == (1000, 30, "more than 1,000 rows")
    ((text,),) = find_rows(database, "SELECT repeat('x', 100000) AS x").rows
    assert text == "x" * 199 + "…"


REFUSED = {
    "no SQL": ("-- nothing", "is one SELECT, and this SQL has 0 statements"),
    "two": ("SELECT 1; SELECT 2", "is one SELECT, and this SQL has 2 statements"),
    "a setting": ("SET threads = 1", "this SQL is another statement"),
    "a table": ("CREATE TEMP TABLE t AS SELECT 1", "this SQL is another statement"),
    "a copy": ("COPY quotes TO 'q.csv'", "this SQL is another statement"),
    "an attachment": ("ATTACH 'x.duckdb'", "this SQL is another statement"),
    "an extension": ("INSTALL httpfs", "this SQL is another statement"),
    "a file": ("FROM read_text('/etc/hostname')", "a query only reads the published database"),
    "a file by name": ("SELECT * FROM '/etc/hostname.csv'", "a query only reads the published database"),
    "an error of syntax": ("SELEC 1", 'DuckDB says: Parser Error: syntax error at or near "SELEC"'),
    "an unknown view": ("FROM quoted", "Table with name quoted does not exist"),
    "an error of a value": ("SELECT error('no\nline')", "no line"),
    "too much memory": ("SELECT list(i) FROM range(200000000) t(i)", "needs more memory"),
}


@pytest.mark.parametrize(("sql", "reason"), slow_but(REFUSED.keys() - {"too much memory"}, REFUSED))
def test_what_is_no_single_select_is_refused(database: Database, sql: str, reason: str) -> None:
    with pytest.raises(QueryRejected) as caught:
        find_rows(database, sql)
    assert reason in caught.value.detail
    assert "floorline query" not in caught.value.detail  # advice for another command


def test_check_looks_names_up_and_runs_nothing(database: Database, tmp_path: Path) -> None:
    check_select(database, "SELECT error('it was run') FROM quotes")
    with pytest.raises(QueryRejected, match="quoted does not exist"):
        check_select(database, "FROM quoted")
    missing = tmp_path / "market.duckdb"
    check_select(missing, "FROM quoted")
    with pytest.raises(QueryRejected, match="has 2 statements"):
        check_select(missing, "SELECT 1; SELECT 2")
    with pytest.raises(QueryRejected, match="Parser Error"):
        check_select(missing, "SELEC 1")
    with pytest.raises(NotPublished):
        find_rows(missing, "SELECT 1")
