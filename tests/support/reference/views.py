"""The sections of docs/warehouse.md for the views and macros: their comments, columns and an example each."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, Final

import duckdb

from tests.support.reference.sections import replace_section
from warehouse.database import open_reader
from warehouse.paths import WarehousePaths
from warehouse.views.comments import EXAMPLE, Comments, read_comments
from warehouse.views.definitions import read_sql

BEGIN: Final = "<!-- `make docs` writes what follows, from warehouse/sql/comments. -->\n"
VIEWS: Final = """
SELECT view_name, comment FROM duckdb_views() WHERE schema_name = 'main' AND NOT internal
UNION ALL
SELECT DISTINCT function_name, comment FROM duckdb_functions() WHERE schema_name = 'main' AND NOT internal
"""
PARAMETERS: Final = """
SELECT parameters FROM duckdb_functions()
WHERE schema_name = 'main' AND NOT internal AND function_name = ? ORDER BY len(parameters) LIMIT 1
"""
TYPES: Final = {"TIMESTAMP WITH TIME ZONE": "TIMESTAMPTZ"}


def write_sections(page: str, paths: WarehousePaths) -> str:
    """Return the page with the sections of the views of a database, in the order of `sql/comments`."""
    with open_reader(paths.published_database) as db:
        return replace_section(page, BEGIN, "\n".join(_sections(db)))


def read_anchors(page: str) -> dict[str, str]:
    """Return the anchors of the sections of a page by the names of the views and macros."""
    headings = re.findall(r"^### `(\w+)(.*)`$", page, re.MULTILINE)
    return {name: f"{name}{re.sub(r'[(),]', '', rest).replace(' ', '-')}" for name, rest in headings}


def _sections(db: duckdb.DuckDBPyConnection) -> Iterator[str]:
    """Yield a section for every view and macro. Raises ValueError where one has no comment."""
    sql = read_sql("comments")
    comments, stored = read_comments(sql), dict(db.execute(VIEWS).fetchall())
    order = {name: sql.index(f" {name} IS ") for name in {**comments.views, **comments.macros}}
    for name in sorted(stored, key=lambda name: order[name]):
        text, example = stored[name].split(EXAMPLE)
        if name in comments.macros:
            yield from _macro_section(db, comments, name, text.split("\n\n`")[0], example)
        else:
            described = db.execute(f"DESCRIBE {name}").fetchall()
            yield from (f"### `{name}`\n", f"{text}\n", *_columns(comments, name, described))
        yield from _answer(db, example)


def describe_macro(db: duckdb.DuckDBPyConnection, name: str, example: str) -> list[tuple[Any, ...]]:
    """Return what DuckDB says of the columns of a macro, called as its example calls it."""
    call = re.search(rf"{name}\([^)]*\)", example)
    assert call, example
    return db.execute(f"DESCRIBE FROM {call[0]}").fetchall()


def _macro_section(
    db: duckdb.DuckDBPyConnection, comments: Comments, name: str, text: str, example: str
) -> Iterator[str]:
    ((parameters,),) = db.execute(PARAMETERS, [name]).fetchall()
    yield from (f"### `{name}({', '.join(parameters)})`\n", f"{text}\n")
    yield from _columns(comments, name, describe_macro(db, name, example))


def _columns(comments: Comments, owner: str, described: Sequence[tuple[Any, ...]]) -> Iterator[str]:
    yield "| column | type | |\n|---|---|---|"
    for column, kind, *_ in described:
        said = comments.of_column(owner, column)
        if not said:
            raise ValueError(f"no comment: {owner}.{column}")
        yield f"| `{column}` | {TYPES.get(kind, kind)} | {said} |"


def _answer(db: duckdb.DuckDBPyConnection, example: str) -> Iterator[str]:
    """Yield an example and its rows, as a table."""
    result = db.execute(example)
    names = [column[0] for column in result.description]
    rows = result.fetchall()
    if not rows:
        raise ValueError(f"the example has no row: {example}")
    yield "\n```sql\n" + example + "\n```\n"
    yield "| " + " | ".join(names) + " |\n" + "|---" * len(names) + "|"
    for row in rows:
        yield "| " + " | ".join(_cell(value) for value in row) + " |"
    yield ""


def _cell(value: object) -> str:
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%SZ}"
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else str(value).replace("|", "\\|")
