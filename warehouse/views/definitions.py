"""Create the public views and macros, with comments.

Each view reads tables only, so that it works in an attached file as well.

The files of `sql/views` are plain SQL: a view may use the views and macros above it. The views in the schema
`store` are private. They are inlined into the public ones, and so is every scalar macro, because

- DuckDB before 1.5 looks for the macros of an attached database's view in the database in use;
- EXPORT DATABASE writes macros before views, and views in the order of their names: IMPORT DATABASE would
  fail at the first one that uses a later one.

In every version of DuckDB, a table macro of an attached database reads the tables of the database in use.
Each table macro therefore has a second form, with the database's name as its last argument. The first form
reads a table that no other database has, the guard: called for a database that is not in use, it fails. Its
query is in a private macro, because each publish gives the guard a new name.
"""

from __future__ import annotations

import functools
import hashlib
import secrets
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Final

import duckdb

from warehouse.views.quote_states import QuoteStates, is_lake

SQL: Final = resources.files("warehouse") / "sql"
DATED_QUOTES: Final = (SQL / "dated_quote.sql").read_text()
CODE: Final = tuple(
    Path(__file__).with_name(name) for name in ("definitions.py", "inlining.py", "comments.py")
)
# DuckDB's error about a missing table shows the table's name: the name says what to do.
GUARD: Final = "database not in use, add its name as the last argument"


def update_views(connection: duckdb.DuckDBPyConnection, version: int, states: QuoteStates) -> None:
    """Create the views and macros for a version of the schema, unless the database has the same ones.

    Call this function in a transaction.
    """
    if has_views(connection, version, states):
        return
    from warehouse.views.comments import read_comments  # rare

    sql, comments = _definitions(states), read_sql("comments")
    _drop_private(connection)
    statements = _inline(sql)
    connection.execute(";".join(statement for statement in statements if GUARD not in statement))
    texts = read_comments(comments)
    on_views, on_macros = texts.on_views(connection), texts.on_macros()
    if is_lake(connection):  # which keeps no comments of a view's columns, and none of macros
        on_views, on_macros = (text for text in on_views if text.startswith("COMMENT ON VIEW")), iter(())
    connection.execute(";".join(on_views))
    guarded = ";".join([*(statement for statement in statements if GUARD in statement), *on_macros])
    connection.execute(
        "CREATE OR REPLACE TABLE store.views_made (digest VARCHAR, guarded VARCHAR, guard VARCHAR)"
    )
    digest = _digest(version, states)
    connection.execute("INSERT INTO store.views_made VALUES (?, ?, NULL)", [digest, guarded])
    _rename_guard(connection)


def has_views(connection: duckdb.DuckDBPyConnection, version: int, states: QuoteStates) -> bool:
    """Return whether the database has the views and macros that `update_views` would create."""
    query = "SELECT 1 FROM store.views_made WHERE digest = ?"
    return bool(connection.execute(query, [_digest(version, states)]).fetchall())


def _digest(version: int, states: QuoteStates) -> str:
    text = "\n".join(
        [str(version), *(file.read_text() for file in CODE), _definitions(states), read_sql("comments")]
    )
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def _definitions(states: QuoteStates) -> str:
    """Return the text of the views and macros, private ones included."""
    macros, *views = _read_files("views")
    dated = f"CREATE OR REPLACE VIEW store.dated_quote AS {DATED_QUOTES.format(quotes='store.current')};"
    return "\n".join([states.definitions, macros, dated, *views])


@functools.lru_cache(8)  # the sealed months of a database are a part of the text
def _inline(sql: str) -> Sequence[str]:
    """Return the statements of `Inliner`, which are the same for every database."""
    from warehouse.views.inlining import Inliner  # rare

    with duckdb.connect(config={"threads": 1}) as connection:
        return list(Inliner(connection, GUARD).inline(sql))


def read_sql(folder: str) -> str:
    """Return the text of the files of a folder of `sql`, in the order of their names."""
    return "\n".join(_read_files(folder))


@functools.cache
def _read_files(folder: str) -> list[str]:
    files = sorted(
        (file for file in (SQL / folder).iterdir() if file.name.endswith(".sql")), key=lambda f: f.name
    )
    return [file.read_text("utf-8") for file in files]


def rename_guard(connection: duckdb.DuckDBPyConnection) -> None:
    """Give the guard a name that no file with other content has, older copies of this file included."""
    connection.begin()
    _rename_guard(connection)
    connection.commit()


def _rename_guard(connection: duckdb.DuckDBPyConnection) -> None:
    ((guarded, old),) = connection.execute("SELECT guarded, guard FROM store.views_made").fetchall()
    new = f"{GUARD} {secrets.token_hex(4)}"
    if old is not None:
        connection.execute(f'DROP TABLE store."{old}"')
    connection.execute(f'CREATE TABLE store."{new}" (in_use BOOLEAN)')
    connection.execute(guarded.replace(GUARD, new))
    connection.execute("UPDATE store.views_made SET guard = ?", [new])


def _drop_private(connection: duckdb.DuckDBPyConnection) -> None:
    """Drop what an older version stored in the schema `store`: views, and macros that use other macros."""
    drops = connection.execute(
        """SELECT format('DROP VIEW store."{}"', view_name) FROM duckdb_views()
        WHERE database_name = current_database() AND schema_name = 'store'
        UNION SELECT format('DROP MACRO {} store."{}"', replace(function_type[:-6], '_', ''), function_name)
        FROM duckdb_functions() WHERE database_name = current_database() AND schema_name = 'store'
            AND function_type IN ('macro', 'table_macro')"""
    )
    for (drop,) in drops.fetchall():
        connection.execute(drop)
