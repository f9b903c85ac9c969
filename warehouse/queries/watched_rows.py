"""The rows of a watch: one query of a user on the published database, bounded in memory and in its result."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from decimal import Decimal
from typing import Final

import duckdb
from msgspec import Struct

from common.text import format_amount, sanitize
from common.warehouse_errors import NotPublished, QueryRejected
from warehouse.paths import Database
from warehouse.queries.json_expression import as_text, identifier
from warehouse.queries.output import Kind, kind_of
from warehouse.queries.session import LOCK, open_session, path_of, translate_query_errors

MAX_ROWS: Final = 1_000
MAX_COLUMNS: Final = 30
MAX_TEXT: Final = 1_000  # characters that leave DuckDB
LONGEST_VALUE: Final = 200  # characters that are shown
# The watches run beside other work on the machine: what takes more is a question for `floorline query`.
SETTINGS: Final = f"SET memory_limit = '1GB'; {LOCK}"
ONE_SELECT: Final = "the query of a watch is one SELECT"


class WatchedRows(Struct, frozen=True):
    """The first rows of a query, each value as text in SQL's spelling, on one line; `None` is a null.

    `kinds` says what each column holds. `has_more`: the query has more rows than these.
    """

    columns: tuple[str, ...]
    kinds: tuple[Kind, ...]
    rows: tuple[tuple[str | None, ...], ...]
    has_more: bool = False

    @property
    def count(self) -> str:
        """The number of rows in words."""
        number = len(self.rows)
        if self.has_more:
            return f"more than {number:,} rows"
        return f"{number:,} row{'' if number == 1 else 's'}"

    def records(self, limit: int | None = None) -> list[dict[str, str | None]]:
        """Return the rows, or the first ones, as dictionaries."""
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows[:limit]]


def find_rows(database: Database, sql: str, parameters: Mapping[str, object] | None = None) -> WatchedRows:
    """Run one SELECT on a database as `query_results` does; return the first rows and columns.

    Raises NotPublished, PublishedUnreadable, and QueryRejected also for SQL that is no single SELECT.
    """
    with open_session(database, SETTINGS) as db:
        relation = db.sql(_only_select(db, sql, database), params=parameters).project("*")
        columns = list(zip(relation.columns, relation.types, strict=True))[:MAX_COLUMNS]
        texts = (f"left({as_text(identifier(name), kind)}, {MAX_TEXT})" for name, kind in columns)
        aliased = (f"{text} AS {identifier(name)}" for text, (name, _) in zip(texts, columns, strict=True))
        rows = relation.project(", ".join(aliased)).limit(MAX_ROWS + 1).fetchall()
        kinds = tuple(kind_of(kind.id) for _, kind in columns)
        return WatchedRows(
            tuple(sanitize(name) for name, _ in columns),
            kinds,
            tuple(tuple(map(_show, row, kinds)) for row in rows[:MAX_ROWS]),
            len(rows) > MAX_ROWS,
        )


def check_select(database: Database, sql: str) -> None:
    """Raise QueryRejected for SQL that is no single SELECT, or that names what the database does not have.

    Nothing is run. Where nothing is published, the names are not looked up. Raises PublishedUnreadable.
    """
    with contextlib.suppress(NotPublished), open_session(database, SETTINGS) as db:
        db.sql(_only_select(db, sql, database))
        return
    with translate_query_errors(database), duckdb.connect() as db:
        _only_select(db, sql, database)


def _only_select(db: duckdb.DuckDBPyConnection, sql: str, database: Database) -> duckdb.Statement:
    path = path_of(database)
    statements = db.extract_statements(sql)
    if len(statements) != 1:
        raise QueryRejected(f"{ONE_SELECT}, and this SQL has {len(statements):,} statements", path)
    if statements[0].type != duckdb.StatementType.SELECT:
        raise QueryRejected(f"{ONE_SELECT}, and this SQL is another statement", path)
    return statements[0]


def _show(value: str | None, kind: Kind) -> str | None:
    """Return a value on one line; a decimal without the zeros at its end beyond two places."""
    if value is not None and kind == "decimal" and "." in value:
        return format_amount(Decimal(value))
    return None if value is None else sanitize(value, LONGEST_VALUE)
