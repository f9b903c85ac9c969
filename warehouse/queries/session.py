"""Run the user's own SQL on a database file, in a session that reaches nothing else."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import duckdb

from common.text import reveal, sanitize
from common.warehouse_errors import DatabaseUnreadable, PublishedUnreadable, QueryRejected
from warehouse.database import connect_reader, open_reader, quote_path, translate_duckdb_error
from warehouse.lake.location import LakeLocation
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
# A lake brings functions that reach other databases, and `query` runs a text that is put together.
LAKE_FUNCTIONS: Final = re.compile(r"postgres_|ducklake_|\bquery\W*\(", re.IGNORECASE)
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
    path = database if isinstance(database, Path) else None
    with open_session(database, "" if allow_files else LOCK) as connection:
        statements = connection.extract_statements(sql)
        if not statements:
            raise QueryRejected("the query is empty: give at least one SQL statement", path)
        if not allow_files and any(opens_files(connection, statement) for statement in statements):
            raise QueryRejected(LOCKED_MESSAGE, path, LOCKED_ADVICE)
        if not allow_files and path is None and LAKE_FUNCTIONS.search(sql):
            raise QueryRejected(LOCKED_MESSAGE, path, LOCKED_ADVICE)
        yield _run(connection, statements)


@contextlib.contextmanager
def open_session(database: Database, settings: str = LOCK) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a database read-only for the SQL of a user, under these settings.

    Raises as `query_results` does, also for errors of the block.
    """
    if isinstance(database, Path):
        with (
            translate_query_errors(database),
            connect_reader(database) as connection,
            name_sealed_files(connection),
        ):
            connection.execute("SET python_enable_replacements = false")
            connection.execute(_allow_sealed_months(connection, settings))
            yield connection
        return
    with open_reader(database) as connection, translate_query_errors(None):
        connection.execute("SET python_enable_replacements = false")
        connection.execute(_allow_lake(database, settings))
        yield connection


def _allow_sealed_months(connection: duckdb.DuckDBPyConnection, settings: str) -> str:
    """Return the settings, with the files of the sealed months allowed where there are any."""
    files = read_sealed_files(connection)
    if not files:
        return settings
    allowed = f"SET allowed_paths = [{', '.join(map(quote_path, files))}];"
    return settings.replace(WITHOUT_FILES, "").replace(WITHOUT_ACCESS, allowed + WITHOUT_ACCESS)


def _allow_lake(lake: LakeLocation, settings: str) -> str:
    """Return the settings, with the files of a lake allowed: DuckDB reads those of tables like any other."""
    if not settings:
        return settings
    folder = lake.files.replace("'", "''")
    allowed = f"SET allowed_directories = ['{folder}'];"
    kept = settings if lake.is_remote else settings.replace(WITHOUT_FILES, "")
    return kept.replace(WITHOUT_ACCESS, allowed + WITHOUT_ACCESS)


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
def translate_query_errors(path: Path | None) -> Iterator[None]:
    """Raise the errors of a user's SQL in the block as `query_results` does; `path` is that of a file."""
    try:
        yield
    except DatabaseUnreadable as error:
        raise PublishedUnreadable(error.detail, path) from None
    except duckdb.Error as error:
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
