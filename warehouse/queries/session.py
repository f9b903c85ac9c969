"""Run the user's own SQL on a published database, in a session that reaches nothing else."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import duckdb

from common.sql_text import quote_text
from common.text import reveal, sanitize
from common.warehouse_errors import (
    DatabaseUnreadable,
    LakeUnreachable,
    PublishedUnreadable,
    QueryRejected,
)
from warehouse.database import connect_reader, quote_path, translate_duckdb_error
from warehouse.paths import Database
from warehouse.queries.output import QueryOutput
from warehouse.views.quote_states import name_sealed_files, read_sealed_files

# Without external access DuckDB would still read and write the files of the open database, such as its log.
WITHOUT_ACCESS: Final = "SET enable_external_access = false;"
WITHOUT_FILES: Final = "SET disabled_filesystems = 'LocalFileSystem';"
LOCK: Final = f"""
SET temp_directory = '';
{WITHOUT_ACCESS}
{WITHOUT_FILES}
SET lock_configuration = true;
"""
# Where views read sealed months, the session opens their files: then no statement that writes a file may run.
REFUSED: Final = frozenset(
    {
        duckdb.StatementType.ATTACH,
        duckdb.StatementType.COPY,
        duckdb.StatementType.COPY_DATABASE,
        duckdb.StatementType.EXECUTE,
        duckdb.StatementType.EXPORT,
        duckdb.StatementType.PREPARE,
    }
)
# What reaches the database with a lake's catalog, or runs SQL that no look at the text can judge.
BEHIND_LAKE: Final = re.compile(r"postgres_|ducklake_|\bquery(_table)?\W*\(", re.IGNORECASE)
UNREACHABLE: Final = (duckdb.IOException, duckdb.HTTPException, duckdb.ConnectionException)
EXPLAIN: Final = re.compile(r"\s*EXPLAIN\s+(ANALYZE\s+)?(\([^)]*\)\s*)?", re.IGNORECASE)
LOCKED: Final = re.compile(
    r"disabled (by|through) configuration|configuration has been locked|LocalFileSystem disabled"
)
LOCKED_MESSAGE: Final = (
    "a query only reads the published database: no other file, no network, no extension, no setting"
)
LOCKED_ADVICE: Final = "; `floorline query --allow-files` allows them"
MEMORY_MESSAGE: Final = "the query needs more memory than there is: select less"
MEMORY_ADVICE: Final = ", or let DuckDB use temporary files with `floorline query --allow-files`"


@contextlib.contextmanager
def query_results(
    database: Database, sql: str, *, allow_files: bool = False
) -> Iterator[Iterator[QueryOutput]]:
    """Run the statements of `sql` on a database, read-only; yield an iterator over their results.

    The iterator runs each statement when its turn comes, and leaves out those without a result, such as
    CREATE TEMP TABLE. Without `allow_files`, SQL can open no other file, no network and no extension, and
    change no setting. Raises NotPublished where there is no database, QueryRejected for an empty text and
    for a statement that DuckDB or the lock rejects, KeyboardInterrupt on Ctrl-C; both also while a result is
    read.
    """
    with open_session(database, "" if allow_files else LOCK) as connection:
        statements = connection.extract_statements(sql)
        if not statements:
            raise QueryRejected("the query is empty: give at least one SQL statement", path_of(database))
        if not allow_files:
            refuse_outside(connection, statements, database, advice=LOCKED_ADVICE)
        yield _run(connection, statements)


@contextlib.contextmanager
def open_session(database: Database, settings: str = LOCK) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a published database read-only for the SQL of a user, under these settings.

    Raises as `query_results` does, also for errors of the block.
    """
    with (
        translate_query_errors(database),
        _connect(database) as connection,
        name_sealed_files(connection),
    ):
        connection.execute("SET python_enable_replacements = false")
        if allowed := allow_own_files(connection, database):
            is_remote = not isinstance(database, Path) and database.is_remote
            kept = settings if is_remote else settings.replace(WITHOUT_FILES, "")
            settings = kept.replace(WITHOUT_ACCESS, allowed + WITHOUT_ACCESS)
        connection.execute(settings)
        yield connection


def _connect(database: Database) -> duckdb.DuckDBPyConnection:
    if isinstance(database, Path):
        return connect_reader(database)
    from warehouse.lake.connection import connect_snapshot  # only a shared warehouse needs it

    return connect_snapshot(database)


def allow_own_files(connection: duckdb.DuckDBPyConnection, database: Database) -> str:
    """Return the setting that lets views read the files beside a database; an empty text for a whole one."""
    if not isinstance(database, Path):
        return f"SET allowed_directories = [{quote_text(database.files)}];"
    files = read_sealed_files(connection)
    return f"SET allowed_paths = [{', '.join(map(quote_path, files))}];" if files else ""


def refuse_outside(
    connection: duckdb.DuckDBPyConnection,
    statements: Sequence[duckdb.Statement],
    database: Database,
    *,
    advice: str = "",
) -> None:
    """Raise QueryRejected for a statement that reaches files, or the PostgreSQL database behind a lake."""
    is_lake = not isinstance(database, Path)
    for statement in statements:
        if opens_files(connection, statement) or (is_lake and BEHIND_LAKE.search(statement.query)):
            raise QueryRejected(LOCKED_MESSAGE, path_of(database), advice)


def path_of(database: Database) -> Path | None:
    """Return the file of a database, for errors; a lake has none."""
    return database if isinstance(database, Path) else None


def opens_files(connection: duckdb.DuckDBPyConnection, statement: duckdb.Statement) -> bool:
    """Return whether a statement reads or writes a file by its kind, or explains one that does."""
    if statement.type != duckdb.StatementType.EXPLAIN:
        return statement.type in REFUSED
    explain = EXPLAIN.match(statement.query)
    if explain is None:
        return True
    explained = connection.extract_statements(statement.query[explain.end() :])
    return any(opens_files(connection, part) for part in explained)


def _run(
    connection: duckdb.DuckDBPyConnection, statements: Sequence[duckdb.Statement]
) -> Iterator[QueryOutput]:
    for statement in statements:
        relation = connection.sql(statement)
        if relation is not None:
            # The projection makes the names of the columns unique.
            yield QueryOutput(relation.project("*"), statement.type == duckdb.StatementType.EXPLAIN)


@contextlib.contextmanager
def translate_query_errors(database: Database) -> Iterator[None]:
    """Raise the errors of a user's SQL in the block as `query_results` does."""
    path = path_of(database)
    try:
        yield
    except DatabaseUnreadable as error:
        raise PublishedUnreadable(error.detail, path) from None
    except duckdb.Error as error:
        if path is None and isinstance(error, UNREACHABLE):
            raise LakeUnreachable(f"{database} does not answer") from None
        if path is not None and isinstance(translate_duckdb_error(error, path), DatabaseUnreadable):
            raise PublishedUnreadable(f"{path} is damaged", path) from None
        raise _rejected(error, path) from None
    except RuntimeError as error:
        if str(error) != "Query interrupted":
            raise
        raise KeyboardInterrupt from None


def _rejected(error: duckdb.Error, path: Path | None) -> QueryRejected:
    if isinstance(error, duckdb.OutOfMemoryException):
        return QueryRejected(MEMORY_MESSAGE, path, MEMORY_ADVICE)
    if LOCKED.search(str(error)):
        return QueryRejected(LOCKED_MESSAGE, path, LOCKED_ADVICE)
    return QueryRejected(_describe(str(error)), path)


def _describe(reason: str) -> str:
    """Return the reason on one line; a syntax error has its position on two more lines."""
    message, _, position = reason.partition("\n\nLINE ")
    line = f"DuckDB says: {sanitize(message, 400)}"
    if not position or not reason.startswith("Parser Error"):
        return line  # the position of other errors is one in the SQL around the query
    sql, _, caret = position.partition("\n")
    return f"{line}\nLINE {reveal(sql)}\n{caret.rstrip()}"
