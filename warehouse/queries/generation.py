"""A generation: one published file, attached to a session in memory. A later publish does not change it."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, TypeVar

import duckdb

from common.files import translate_os_errors
from common.warehouse_errors import NotPublished, QueryRejected, QueryTimedOut
from warehouse.database import quote_path
from warehouse.queries.session import LOCKED_MESSAGE, opens_files, translate_query_errors
from warehouse.views.quote_states import name_sealed_files, read_sealed_files

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
    """The file at `path` as it is now. Its session reads this file and its sealed months, and nothing else.

    A process that has a file open gets the same old file from `duckdb.connect(path)`, also where another one
    has taken its place; a session in memory that attaches the path gets the new one. Raises NotPublished
    where there is no file, and PublishedUnreadable where it is damaged.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.identity = identify_file(path)
        with translate_query_errors(path):
            self._database = duckdb.connect()
            try:
                self._database.execute(f"ATTACH {quote_path(path)} AS {CATALOG} (READ_ONLY); USE {CATALOG}")
                self._database.execute(SETTINGS)
                if files := read_sealed_files(self._database):
                    self._database.execute(f"SET allowed_paths = [{', '.join(map(quote_path, files))}]")
                self._database.execute(LOCK)
            except BaseException:
                self._database.close()
                raise

    @property
    def is_current(self) -> bool:
        """Whether the path still names this file; the answer is yes while it names none."""
        try:
            return identify_file(self.path) == self.identity
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
            raise QueryRejected("the query, or a parameter, is not UTF-8 text", self.path)
        cursor = self.cursor()
        with (
            _interrupt_after(cursor, seconds, self.path),
            translate_query_errors(self.path),
            name_sealed_files(cursor),
        ):
            statements = cursor.extract_statements(sql)
            if not statements:
                raise QueryRejected("the query is empty: give at least one SQL statement", self.path)
            if any(opens_files(cursor, statement) for statement in statements):
                raise QueryRejected(LOCKED_MESSAGE, self.path)
            for statement in statements[:-1]:
                cursor.execute(statement)
            return convert(cursor.execute(statements[-1], parameters))

    def close(self) -> None:
        """Close the session and its cursors: the file is not open any more."""
        self._database.close()


def identify_file(path: Path) -> tuple[int, int, int]:
    """Return what differs between two files that a publish puts in one place. Raises NotPublished."""
    with translate_os_errors(path):
        try:
            status = path.stat()
        except FileNotFoundError:
            raise NotPublished(f"there is no database at {path} yet", path) from None
    return status.st_ino, status.st_mtime_ns, status.st_size


@contextlib.contextmanager
def _interrupt_after(cursor: duckdb.DuckDBPyConnection, seconds: float | None, path: Path) -> Iterator[None]:
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
