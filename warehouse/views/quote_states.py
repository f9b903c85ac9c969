"""The private views and macros of the history: of the states in the database, and of those in sealed months.

A sealed month is a Parquet file beside the database; see warehouse.sealing. The paths of these files are a
part of the views, so the views are created again when a month is sealed or reopened, and when the database
gets its first daily points: until then, DuckDB plans the questions about daily prices without them.
"""

from __future__ import annotations

import contextlib
import glob
from collections.abc import Iterator, Sequence
from datetime import datetime
from importlib import resources
from pathlib import Path
from typing import Any, Final

import duckdb
import msgspec
from msgspec import Struct

from common.sql_text import quote_text
from common.warehouse_errors import SealedMonthUnreadable
from warehouse.views.sealed_files import SealedFile, SealedPart, month_of, start_of

OPEN_STATES: Final = (resources.files("warehouse") / "sql" / "open_state.sql").read_text()
TYPES: Final = {
    "item_key": "INTEGER", "provider_key": "INTEGER", "currency": "VARCHAR", "delivery": "VARCHAR",
    "lowest_ask": "BIGINT", "other_price": "DECIMAL(20, 8)", "quantity": "BIGINT",
    "changed_at": "TIMESTAMPTZ", "last_updated": "TIMESTAMPTZ", "valid_from": "TIMESTAMPTZ",
    "valid_to": "TIMESTAMPTZ", "run_key": "INTEGER",
}  # fmt: skip
COLUMNS: Final = ", ".join(TYPES)
SELECT_MONTHS: Final = "SELECT month, file, bytes FROM store.sealed_month ORDER BY month"
SELECT_KEPT: Final = "SELECT since FROM store.kept_history"
SELECT_DAILY_POINT: Final = "SELECT 1 FROM store.daily_point LIMIT 1"
SELECT_FILES: Final = "SELECT path, bytes FROM store.sealed_path ORDER BY path"
FOREIGN: Final = (
    "this macro reads the sealed months of its own database: call that of the other one, by its name"
)
SELECT_LAKE: Final = """
SELECT 1 FROM duckdb_databases() WHERE database_name = current_database() AND type = 'ducklake'
"""
# The rows of sealed months that a lake has.
SEALED_ROWS: Final = f"SELECT {COLUMNS}, month AS file FROM store.sealed_row WHERE month IN ({{keys}})"  # noqa: S608
NO_STATES: Final = "SELECT *, NULL::VARCHAR AS file FROM store.history WHERE false"
# Each state once: an ended one in the month of its end.
ALL_STATES: Final = f"""
SELECT {COLUMNS} FROM ({{open}}) UNION ALL SELECT {COLUMNS} FROM ({{sealed}}) WHERE valid_to IS NOT NULL
"""  # noqa: S608 - our own query

# In the place of a file's path, what is in the database has this text, or another one that comes after every
# path, such as a delivery. store.history needs a column: with a constant, DuckDB would pass no comparison of
# the join on to the scan.
NO_FILE: Final = "0"
ENDED_STATES: Final = f"""
SELECT {COLUMNS}, delivery AS file FROM store.history
UNION ALL SELECT {COLUMNS}, file FROM ({{sealed}}) WHERE valid_to IS NOT NULL
"""  # noqa: S608 - our own query


class QuoteStates(Struct, frozen=True):
    """Where the states of the quotes are: in the database, and in the files of sealed months, in order.

    Those that ended before `kept_from` were deleted. `daily_points` is whether the database may have any.
    """

    files: tuple[SealedFile, ...]
    kept_from: datetime | None = None
    parts: tuple[SealedPart, ...] = ()
    daily_points: bool = True

    @property
    def months(self) -> tuple[SealedFile | SealedPart, ...]:
        """The sealed months, in order."""
        return self.parts or self.files

    @property
    def sizes(self) -> dict[Path, int]:
        """The bytes of each file."""
        return {file.path: file.bytes for file in self.files}

    @property
    def open_from(self) -> datetime | None:
        """The end of the last sealed month; None where no month is sealed."""
        return self.months[-1].end if self.months else None

    @property
    def sealed(self) -> str:
        """A query of all rows of the sealed months, with the path of the file.

        It fails where it needs a file that is missing or has another size; the message says so.
        """
        if self.parts:
            return SEALED_ROWS.format(keys=", ".join(quote_text(part.key) for part in self.parts))
        problems = {file: file.problem for file in self.files}
        whole = [file for file in self.files if problems[file] is None]
        parts = [_select_rows(whole)] if whole else []
        parts += [_fail(file, problem) for file, problem in problems.items() if problem is not None]
        return " UNION ALL ".join(parts) or NO_STATES

    @property
    def everything(self) -> str:
        """A query of every state."""
        return ALL_STATES.format(open=OPEN_STATES, sealed=self.sealed)

    @property
    def ended(self) -> str:
        """A query of every state that is over: a filter on its end reads no other rows."""
        return ENDED_STATES.format(sealed=self.sealed)

    @property
    def definitions(self) -> str:
        """The statements that create the private views and macros which the files of sql/views use."""
        is_open = f"ts >= {_literal(self.open_from)}" if self.open_from else "true"
        cases = "".join(
            f" WHEN ts >= {_literal(month.month)} THEN {quote_text(month.key)}"
            for month in reversed(self.months)
        )
        of_sealed = f"CASE WHEN {is_open} THEN NULL{cases}{self._refused} END"
        first_file = f"CASE WHEN {is_open} THEN '{NO_FILE}'{cases} ELSE '' END"
        own = f"[{', '.join(sorted(quote_text(month.key) for month in self.months))}]"
        known = "SELECT file AS path FROM store.sealed_month" if self.parts else "FROM store.sealed_path"
        return f"""
            CREATE OR REPLACE VIEW store.open_state AS {OPEN_STATES};
            CREATE OR REPLACE VIEW store.sealed_state AS {self.sealed};
            CREATE OR REPLACE VIEW store.quote_state AS {self.everything};
            CREATE OR REPLACE VIEW store.ended_state AS {self.ended};
            CREATE OR REPLACE VIEW store.own_files AS
            SELECT CASE WHEN coalesce(list(path ORDER BY path), []) = {own}::VARCHAR[] THEN true
                ELSE error('{FOREIGN}') END AS passed
            FROM ({known});
            CREATE OR REPLACE MACRO store.has_daily_points() AS {str(self.daily_points).lower()};
            CREATE OR REPLACE MACRO store.is_open(ts) AS {is_open};
            CREATE OR REPLACE MACRO store.is_kept(ts) AS {self._is_kept};
            CREATE OR REPLACE MACRO store.kept_day(day) AS {self._kept_day};
            CREATE OR REPLACE MACRO store.sealed_file(ts) AS {of_sealed};
            CREATE OR REPLACE MACRO store.first_file(ts) AS {first_file};
        """  # noqa: S608 - our own paths, quoted

    @property
    def _refused(self) -> str:
        """The branch of a CASE that fails for a moment `ts` of which states were deleted, if any were."""
        if self.kept_from is None:
            return ""
        message = quote_text(f"the history before {self.kept_from:%Y-%m-%d} was deleted (keep_history)")
        return f" WHEN ts < {_literal(self.kept_from)} THEN error({message})"

    @property
    def _is_kept(self) -> str:
        return f"CASE{self._refused} ELSE true END" if self._refused else "true"

    @property
    def _kept_day(self) -> str:
        """An expression: the later one of `day` and the first day of which all states are kept."""
        return f"greatest(day::DATE, DATE '{self.kept_from:%Y-%m-%d}')" if self.kept_from else "day::DATE"

    def since(self, moment: datetime | None) -> QuoteStates:
        """Return the states without the sealed months that ended up to `moment`; None keeps all."""
        files = tuple(file for file in self.files if moment is None or file.end > moment)
        parts = tuple(part for part in self.parts if moment is None or part.end > moment)
        return QuoteStates(files, self.kept_from, parts, self.daily_points)

    def require_files(self) -> None:
        """Raise SealedMonthUnreadable where a file is missing or has another size."""
        for file in self.files:
            if problem := file.problem:
                raise SealedMonthUnreadable(problem, file.path)


def find_quote_states(connection: duckdb.DuckDBPyConnection, folder: Path | None = None) -> QuoteStates:
    """Return where the states of a database are; `folder` has the files of one that is no loader's."""
    months = fetch_if_known(connection, SELECT_MONTHS)
    kept_from = next((since for (since,) in fetch_if_known(connection, SELECT_KEPT)), None)
    if folder is None and months and is_lake(connection):
        parts = tuple(SealedPart(start_of(month), key) for month, key, _ in months)
        return QuoteStates((), kept_from, parts)
    folder = folder or (find_sealed_folder(connection) if months else Path())
    files = tuple(SealedFile(start_of(month), folder / file, size) for month, file, size in months)
    return QuoteStates(files, kept_from)


def find_viewed_states(connection: duckdb.DuckDBPyConnection) -> QuoteStates:
    """Return where the states of a database are, for its views: with whether it may have daily points.

    In a lake, the question would cost the opening of each load more than it saves a reader.
    """
    may_have_points = is_lake(connection) or bool(fetch_if_known(connection, SELECT_DAILY_POINT))
    return msgspec.structs.replace(find_quote_states(connection), daily_points=may_have_points)


def is_lake(connection: duckdb.DuckDBPyConnection) -> bool:
    """Return whether the database in use is a lake."""
    return bool(connection.execute(SELECT_LAKE).fetchall())


def read_sealed_files(connection: duckdb.DuckDBPyConnection) -> dict[Path, int]:
    """Return the files that the views of a database read, those of its sealed months, with their bytes."""
    return {Path(file): size for file, size in fetch_if_known(connection, SELECT_FILES)}


@contextlib.contextmanager
def name_sealed_files(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Raise SealedMonthUnreadable for an error of DuckDB in the block, where the cause is such a file."""
    try:
        yield
    except duckdb.Error:
        with contextlib.suppress(duckdb.Error):
            for path, size in read_sealed_files(connection).items():
                if problem := SealedFile(month_of(path), path, size).problem:
                    raise SealedMonthUnreadable(problem, path) from None
        raise


def view_states(connection: duckdb.DuckDBPyConnection, since: datetime | None = None) -> None:
    """Create the temporary view quote_state for the loads: the states that hold, or ended after `since`.

    Raises SealedMonthUnreadable where this needs a file that is missing or damaged.
    """
    states = find_quote_states(connection).since(since)
    states.require_files()
    connection.execute(f"CREATE OR REPLACE TEMP VIEW quote_state AS {states.everything}")


def find_sealed_folder(connection: duckdb.DuckDBPyConnection) -> Path:
    """Return the folder of the sealed months of a loader's database."""
    query = "SELECT path FROM duckdb_databases() WHERE database_name = current_database()"
    ((path,),) = connection.execute(query).fetchall()
    return Path(path).parent.parent / "sealed"


def fetch_if_known(connection: duckdb.DuckDBPyConnection, query: str) -> list[tuple[Any, ...]]:
    """Return the rows of a query; none where the version did not have the table that made the database."""
    try:
        return connection.execute(query).fetchall()
    except duckdb.CatalogException:
        return []


def _select_rows(files: Sequence[SealedFile]) -> str:
    paths = ", ".join(quote_text(glob.escape(str(file.path))) for file in files)
    options = "filename = true, hive_partitioning = false"  # a folder on the way may be called `a=b`
    return f"SELECT {COLUMNS}, filename AS file FROM read_parquet([{paths}], {options})"  # noqa: S608 - quoted


def _fail(file: SealedFile, problem: str) -> str:
    """Return a query in the place of the rows of a file, which fails unless it is not needed.

    Each column fails: DuckDB leaves out rows of which a filter leaves none.
    """
    error = f"error({quote_text(problem)})"
    columns = ", ".join(f"{error}::{kind} AS {name}" for name, kind in TYPES.items())
    return f"SELECT {columns}, {quote_text(str(file.path))} AS file WHERE {error} IS NULL"


def _literal(moment: datetime) -> str:
    return f"TIMESTAMPTZ '{moment:%Y-%m-%d}T00:00:00Z'"
