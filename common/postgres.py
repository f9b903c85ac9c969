"""Connect to the PostgreSQL database that machines share; psycopg's errors as errors of ours.

No error has psycopg's own words, which may have the address, and no address: it may have a password.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any, Final
from urllib.parse import urlsplit

import psycopg
from psycopg.rows import RowMaker

from common.errors import FloorlineError
from common.postgres_schema import MIGRATIONS, NAME
from common.state_database import Parameters
from common.warehouse_errors import (
    SharedDatabaseRefused,
    SharedDatabaseUnreachable,
    WarehouseFull,
    WarehouseLocked,
    WarehouseUnusable,
)

# A connection whose other end is gone is noticed after 20 seconds, here and by the server: an idle one by the
# first, and one with data under way, which the system would send again for a quarter of an hour, by the last.
_KEEPALIVES: Final[Mapping[str, Any]] = {"idle": 5, "interval": 5, "count": 3}
_USER_TIMEOUT: Final = {"tcp_user_timeout": 20_000}  # milliseconds
CONNECT_TIMEOUT: Final = 5
CLIENT_PARAMETERS: Final[Mapping[str, Any]] = {
    "connect_timeout": CONNECT_TIMEOUT,
    **{f"keepalives_{name}": value for name, value in _KEEPALIVES.items()},
    **_USER_TIMEOUT,
}
SERVER_SETTINGS: Final[Mapping[str, Any]] = {
    **{f"tcp_keepalives_{name}": value for name, value in _KEEPALIVES.items()},
    **_USER_TIMEOUT,
}
# A process that hangs inside of a transaction must not hold its locks for ever.
SETTINGS: Final = f"""
SET search_path = {NAME};
SET idle_in_transaction_session_timeout = '30s';
{"".join(f"SET {name} = {value};" for name, value in SERVER_SETTINGS.items())}
SELECT pg_backend_pid()
"""
CREATION_LOCK: Final = 0x466C_6F6F_7201
# By the SQLSTATE of an error, or its beginning.
LOCKED: Final = ("55P03", "40P01", "40001")
REFUSED: Final[Mapping[str, str]] = {
    "42501": "its user has too few rights there",
    "28": "it does not accept the user, or the password",
    "3D000": "it has no database of this name",
    "25006": "it is read-only",
    "42P01": "a table of the schema floorline is missing",
    "3F000": "the schema floorline is missing",
}
FULL: Final = "53100"
MISUSE: Final = (
    psycopg.ProgrammingError,
    psycopg.DataError,
    psycopg.IntegrityError,
    psycopg.NotSupportedError,
)
NAMED: Final = re.compile(r"(?<!:):(\w+)")


class Row(tuple[Any, ...]):
    """A row: its values by position and by name, and a mapping for `**`."""

    places: Mapping[str, int]

    def keys(self) -> Sequence[str]:
        """Return the names of the columns."""
        return list(self.places)

    def __getitem__(self, key: Any) -> Any:  # noqa: ANN401 - as of a tuple, and by name
        return super().__getitem__(self.places[key] if isinstance(key, str) else key)


def _make_rows(cursor: psycopg.Cursor[Any]) -> RowMaker[Row]:
    places = {column.name: place for place, column in enumerate(cursor.description or ())}

    def make(values: Sequence[Any]) -> Row:
        row = Row(values)
        row.places = places
        return row

    return make


Connection = psycopg.Connection[Row]


class PostgresConnection:
    """Runs statements in SQLite's form on `connection`, which a new one may replace."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    def execute(self, sql: str, parameters: Parameters = ()) -> psycopg.Cursor[Row]:
        """Run one statement."""
        return self.connection.execute(_translate(sql), parameters)

    def executemany(self, sql: str, parameters: Sequence[Any]) -> psycopg.Cursor[Row]:
        """Run one statement for each set of values."""
        cursor = self.connection.cursor()
        cursor.executemany(_translate(sql), parameters)
        return cursor


@cache
def _translate(sql: str) -> bytes:
    """Return a statement with psycopg's marks for its values."""
    return NAMED.sub(r"%(\1)s", sql.replace("%", "%%").replace("?", "%s")).encode()


def connect(read_url: Callable[[], str]) -> Connection:
    """Connect to a database, of which the schema `floorline` is what this version knows.

    Every statement outside of a BEGIN is a transaction of its own. Raises psycopg's errors, and ours where
    the schema is newer, or something between this process and the server shares its connections.
    """
    connection = psycopg.connect(
        read_url(),
        autocommit=True,
        row_factory=_make_rows,
        application_name="floorline",
        **CLIENT_PARAMETERS,
    )
    with contextlib.ExitStack() as on_error:
        on_error.callback(connection.close)
        cursor = connection.execute(SETTINGS)
        while cursor.nextset():
            pass
        (process,) = _only(cursor)
        if process != connection.info.backend_pid:
            raise SharedDatabaseRefused(
                f"{describe_server(read_url)} is behind a connection pooler, which loses locks: write the"
                " address of the server itself"
            )
        _migrate(connection, read_url)
        on_error.pop_all()
    return connection


def _only(cursor: psycopg.Cursor[Row]) -> Row:
    row = cursor.fetchone()
    assert row is not None  # noqa: S101 - of a SELECT without FROM
    return row


def _migrate(connection: Connection, read_url: Callable[[], str]) -> None:
    """Create or update the tables, once of all processes."""
    version = _read_version(connection)
    if version > len(MIGRATIONS):
        raise WarehouseUnusable(
            f"{describe_server(read_url)} has schema {version}, this Floorline knows {len(MIGRATIONS)}"
        )
    if version == len(MIGRATIONS):
        return
    with connection.transaction():
        connection.execute(f"SELECT pg_advisory_xact_lock({CREATION_LOCK})".encode())
        # A user of an existing schema needs no right to create one.
        if connection.execute(b"SELECT 1 WHERE to_regnamespace('floorline') IS NULL").fetchone():
            connection.execute(f"CREATE SCHEMA {NAME}".encode())
        version = _read_version(connection)
        for number, script in enumerate(MIGRATIONS[version:], version + 1):
            connection.execute(script.encode())
            connection.execute(b"CREATE TABLE IF NOT EXISTS state_version (version BIGINT NOT NULL)")
            connection.execute(b"INSERT INTO state_version VALUES (%s)", (number,))


def _read_version(connection: Connection) -> int:
    """Return the number of the last migration; 0 for a new database."""
    exists = connection.execute(b"SELECT to_regclass('floorline.state_version') IS NOT NULL")
    if not _only(exists)[0]:
        return 0
    return int(_only(connection.execute(b"SELECT max(version) FROM state_version"))[0])


def describe_server(read_url: Callable[[], str]) -> str:
    """Return the words for a database: its name and its host, without the user and the password."""
    parts = urlsplit(read_url())
    port = f":{parts.port}" if parts.port else ""
    host = f" at {parts.hostname}{port}" if parts.hostname else ""
    return f"the shared database {parts.path.strip('/')}{host}".replace("  ", " ")


@contextlib.contextmanager
def translate_postgres_errors(read_url: Callable[[], str]) -> Iterator[None]:
    """Raise our error for an error of the server, or of the way to it; a misuse of psycopg passes."""
    try:
        yield
    except psycopg.Error as error:
        translated = _describe(error, describe_server(read_url))
        if translated is None:
            raise
        raise translated from None


def _describe(error: psycopg.Error, server: str) -> FloorlineError | None:
    state = error.sqlstate or ""
    if state in LOCKED:
        return WarehouseLocked(f"{server} is locked by another process")
    if state == FULL:
        return WarehouseFull(f"the disk of {server} is full")
    for code, reason in REFUSED.items():
        if state.startswith(code):
            return SharedDatabaseRefused(f"{server} cannot be used: {reason}")
    # libpq gives no code where a connection fails; a server that has read a password has refused it, or
    # the name of the database.
    if not state and error.pgconn is not None and error.pgconn.used_password:
        return SharedDatabaseRefused(f"{server} does not accept the user, the password or the name")
    if isinstance(error, MISUSE):
        return None
    return SharedDatabaseUnreachable(f"{server} cannot be reached, or has ended the connection")
