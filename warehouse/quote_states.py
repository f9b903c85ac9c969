"""The private views and macros of the history: of the states in the database, and of those in sealed months.

A sealed month is a Parquet file beside the database; see warehouse.sealed_months. The paths of these files
are a part of the views, so the views are created again when a month is sealed or reopened.
"""

from __future__ import annotations

import glob
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from importlib import resources
from pathlib import Path
from typing import Final

import duckdb

from common.warehouse_errors import DatabaseUnreadable

OPEN_STATES: Final = (resources.files("warehouse") / "sql" / "open_state.sql").read_text()
COLUMNS: Final = (
    "item_key, provider_key, currency, delivery, lowest_ask, other_price, quantity, changed_at, last_updated,"
    " valid_from, valid_to, run_key"
)
SELECT_MONTHS: Final = "SELECT month, file, bytes FROM store.sealed_month ORDER BY month"
HAS_MONTHS: Final = """
SELECT count(*) > 0 FROM duckdb_tables()
WHERE database_name = current_database() AND schema_name = 'store' AND table_name = 'sealed_path'
"""
SELECT_FILES: Final = "SELECT path, bytes FROM store.sealed_path ORDER BY path"
FOREIGN: Final = (
    "this macro reads the sealed months of its own database: call that of the other one, by its name"
)
NO_STATES: Final = "SELECT *, NULL::VARCHAR AS file FROM store.history WHERE false"
# Each state once: an ended one in the month of its end.
ALL_STATES: Final = f"""
SELECT {COLUMNS} FROM ({{open}}) UNION ALL SELECT {COLUMNS} FROM ({{sealed}}) WHERE valid_to IS NOT NULL
"""  # noqa: S608 - our own query


@dataclass(frozen=True, slots=True)
class QuoteStates:
    """Where the states of the quotes are.

    `files` has the file of each sealed month, by the start of the month (UTC), and `sizes` their bytes.
    """

    files: dict[datetime, Path]
    sizes: dict[Path, int]

    @property
    def open_from(self) -> datetime | None:
        """The end of the last sealed month; None where no month is sealed."""
        return next_month(max(self.files)) if self.files else None

    @property
    def sealed(self) -> str:
        """A query of all rows of the sealed months, with the path of the file."""
        if not self.files:
            return NO_STATES
        paths = ", ".join(_quote(glob.escape(str(file))) for file in self.files.values())
        options = "filename = true, hive_partitioning = false"  # a folder on the way may be called `a=b`
        source = f"read_parquet([{paths}], {options})"
        return f"SELECT {COLUMNS}, filename AS file FROM {source}"  # noqa: S608 - our own paths, quoted

    @property
    def everything(self) -> str:
        """A query of every state."""
        return ALL_STATES.format(open=OPEN_STATES, sealed=self.sealed)

    @property
    def definitions(self) -> str:
        """The statements that create the private views and macros which the files of sql/views use."""
        open_from = self.open_from
        is_open = f"ts >= {_literal(open_from)}" if open_from else "true"
        months = sorted(self.files.items(), reverse=True)
        cases = "".join(f" WHEN ts >= {_literal(start)} THEN {_quote(str(file))}" for start, file in months)
        own = f"[{', '.join(sorted(_quote(str(file)) for file in self.files.values()))}]"
        return f"""
            CREATE OR REPLACE VIEW store.open_state AS {OPEN_STATES};
            CREATE OR REPLACE VIEW store.sealed_state AS {self.sealed};
            CREATE OR REPLACE VIEW store.quote_state AS {self.everything};
            CREATE OR REPLACE VIEW store.own_files AS
            SELECT CASE WHEN coalesce(list(path ORDER BY path), []) = {own}::VARCHAR[] THEN true
                ELSE error('{FOREIGN}') END AS passed
            FROM store.sealed_path;
            CREATE OR REPLACE MACRO store.is_open(ts) AS {is_open};
            CREATE OR REPLACE MACRO store.sealed_file(ts) AS CASE WHEN {is_open} THEN NULL{cases} END;
        """  # noqa: S608 - our own paths, quoted


def find_quote_states(connection: duckdb.DuckDBPyConnection, folder: Path | None = None) -> QuoteStates:
    """Return where the states of a database are; `folder` has the files of one that is no loader's."""
    months = connection.execute(SELECT_MONTHS).fetchall() if _can_have_months(connection) else []
    if not months:
        return QuoteStates({}, {})
    folder = folder or find_sealed_folder(connection)
    files = {start_of(month): folder / file for month, file, _ in months}
    return QuoteStates(files, {folder / file: size for _, file, size in months})


def read_sealed_files(connection: duckdb.DuckDBPyConnection) -> dict[Path, int]:
    """Return the files that the views of a database read, those of its sealed months, with their bytes."""
    rows = connection.execute(SELECT_FILES).fetchall() if _can_have_months(connection) else []
    return {Path(file): size for file, size in rows}


def require_files(sizes: Mapping[Path, int]) -> None:
    """Raise DatabaseUnreadable where a file of a sealed month is missing or has another size."""
    for file, size in sizes.items():
        if not file.is_file():
            raise DatabaseUnreadable(f"{file}, the history of a sealed month, is missing", file)
        if file.stat().st_size != size:
            raise DatabaseUnreadable(f"{file}, the history of a sealed month, is damaged", file)


def find_sealed_folder(connection: duckdb.DuckDBPyConnection) -> Path:
    """Return the folder of the sealed months of a loader's database."""
    query = "SELECT path FROM duckdb_databases() WHERE database_name = current_database()"
    ((path,),) = connection.execute(query).fetchall()
    return Path(path).parent.parent / "sealed"


def start_of(month: date) -> datetime:
    """Return the first moment of a month (UTC)."""
    return datetime(month.year, month.month, 1, tzinfo=UTC)


def next_month(start: datetime) -> datetime:
    """Return the first moment of the month after the one that starts at `start`."""
    return (start + timedelta(days=32)).replace(day=1)


def _can_have_months(connection: duckdb.DuckDBPyConnection) -> bool:
    """Return whether the version that made a database knew sealed months."""
    return bool(connection.execute(HAS_MONTHS).fetchall()[0][0])


def _literal(moment: datetime) -> str:
    return f"TIMESTAMPTZ '{moment:%Y-%m-%d}T00:00:00Z'"


def _quote(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
