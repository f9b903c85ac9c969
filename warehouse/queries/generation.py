"""A generation: one published database, in a session of its own. A later publish does not change it."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, TypeVar

import duckdb

from common.warehouse_errors import NotPublished, QueryRejected, QueryTimedOut
from warehouse.database import quote_path
from warehouse.paths import Database
from warehouse.published import Identity, identify_database
from warehouse.queries.session import allow_own_files, path_of, refuse_outside, translate_query_errors
from warehouse.views.quote_states import name_sealed_files

_T = TypeVar("_T")
Parameters = Sequence[object] | Mapping[str, object]
# The name of the attached database in SQL, in front of a view: `market.quotes`.
CATALOG: Final = "market"
# A session reads the footers of the sealed months once, and not again for each query.
SETTINGS: Final = """
SET GLOBAL TimeZone = 'UTC';
SET parquet_metadata_cache = true;
SET GLOBAL python_enable_replacements = false;
SET temp_directory = '';
"""
LOCK: Final = "SET enable_external_access = false; SET lock_configuration = true;"


class Generation:
    """A published database as it is now: a file with its sealed months, or a snapshot of a lake.

    Its session reads nothing else. A process that has a file open gets the same old file from
    `duckdb.connect(path)`, also where another one has taken its place; a session in memory that attaches the
    path gets the new one. Raises NotPublished where there is no database, and PublishedUnreadable where it is
    damaged.
    """

    def __init__(self, database: Database) -> None:
        self.source = database
        self.identity = identify_database(database)
        with translate_query_errors(database):
            self._database = _attach(database, self.identity)
            try:
                self._database.execute(SETTINGS)
                self._database.execute(allow_own_files(self._database, database) + LOCK)
            except BaseException:
                self._database.close()
                raise

    @property
    def is_current(self) -> bool:
        """Whether nothing newer is published; the answer is yes while nothing at all is."""
        try:
            return identify_database(self.source) == self.identity
        except NotPublished:
            return True

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """Return a session for one thread, in UTC, whose SQL names the views as they are: `quotes`."""
        cursor = self._database.cursor()
        cursor.execute(f"USE {CATALOG}")
        return cursor

    def fetch(
        self,
        sql: str,
        parameters: Parameters,
        convert: Callable[[duckdb.DuckDBPyConnection], _T],
        *,
        seconds: float | None = None,
    ) -> _T:
        """Run the statements of `sql`, the last one with `parameters`; return its result, converted.

        Raises QueryRejected for a statement that DuckDB rejects, and for one that reads or writes a file;
        QueryTimedOut where all of this takes more than so many seconds; SealedMonthUnreadable where a file of
        the history is missing.
        """
        values = parameters.values() if isinstance(parameters, Mapping) else parameters
        if any(isinstance(text, str) and not _is_utf8(text) for text in (sql, *values)):
            raise QueryRejected("the query, or a parameter, is not UTF-8 text", path_of(self.source))
        cursor = self.cursor()
        with (
            _interrupt_after(cursor, seconds, path_of(self.source)),
            translate_query_errors(self.source),
            name_sealed_files(cursor),
        ):
            statements = cursor.extract_statements(sql)
            if not statements:
                raise QueryRejected("the query is empty: give at least one SQL statement")
            refuse_outside(cursor, statements, self.source)
            for statement in statements[:-1]:
                cursor.execute(statement)
            return convert(cursor.execute(statements[-1], parameters))

    def close(self) -> None:
        """Close the session and its cursors: the database is not open any more."""
        self._database.close()


def _attach(database: Database, identity: Identity) -> duckdb.DuckDBPyConnection:
    """Return a session with the database attached as CATALOG and in use."""
    if not isinstance(database, Path):
        from warehouse.lake.connection import connect_snapshot  # only a shared warehouse needs it

        return connect_snapshot(database, *identity)
    connection = duckdb.connect()
    try:
        connection.execute(f"ATTACH {quote_path(database)} AS {CATALOG} (READ_ONLY); USE {CATALOG}")
    except BaseException:
        connection.close()
        raise
    return connection


@contextlib.contextmanager
def _interrupt_after(
    cursor: duckdb.DuckDBPyConnection, seconds: float | None, path: Path | None
) -> Iterator[None]:
    """Interrupt what runs in the block after so many seconds; then raise QueryTimedOut."""
    if seconds is None:
        yield
        return
    is_late = threading.Event()

    def interrupt() -> None:
        is_late.set()
        cursor.interrupt()

    timer = threading.Timer(seconds, interrupt)
    timer.start()
    try:
        yield
    except QueryRejected:
        if is_late.is_set():
            raise QueryTimedOut(f"the query ran for more than {seconds:g} s", path) from None
        raise
    finally:
        timer.cancel()


def _is_utf8(text: str) -> bool:
    """Return whether a text has no half of a surrogate pair, as Python keeps a byte that it cannot decode."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
