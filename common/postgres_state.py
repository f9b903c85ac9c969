"""The shared state of many machines: the schema `floorline` of a PostgreSQL database."""

from __future__ import annotations

import contextlib
import time
import weakref
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Final

import psycopg
from psycopg import sql

from common.postgres import PostgresConnection, Row, connect, translate_postgres_errors
from common.state_database import LOCK_TIMEOUT, StateConnection

# All transactions but those of the rate limiter run one after the other, as SQLite runs them.
STATE_LOCK: Final = 0x466C_6F6F_7202
ONE_BY_ONE: Final = f"SELECT pg_advisory_xact_lock({STATE_LOCK})"
NO_LOCK: Final = "SELECT 1"
SERVER_CLOCK: Final = "extract(epoch FROM clock_timestamp())::float8"
# FOR UPDATE in a subquery below an aggregate: there is one row, and the clock is read after the lock.
KEY_LOCK: Final = "SELECT count(*) FROM (SELECT 1 FROM budget WHERE key_print = {key} FOR UPDATE) AS key_row"
ROWS_WRITTEN: Final = "SELECT count(*), max(CAST(CAST(xmin AS TEXT) AS BIGINT)) FROM {table}"
RETRY_EVERY: Final = 0.2


class PostgresState:
    """The state database at the address that `read_url` returns. Safe for threads.

    A lost connection is replaced at the next transaction, also while the server starts again. The connections
    end with this object.
    """

    def __init__(self, read_url: Callable[[], str]) -> None:
        self._read_url = read_url
        self._idle: list[PostgresSession] = []
        weakref.finalize(self, _close_all, self._idle)

    @property
    def clock(self) -> str:
        """The SQL of the one clock of all machines, in Unix seconds."""
        return SERVER_CLOCK

    def exists(self) -> bool:
        """Return True: the first connection creates the tables."""
        return True

    def create(self) -> None:
        """Create the tables, where they are missing."""
        with self._session():
            pass

    @contextlib.contextmanager
    def read(self, *tables: str) -> Iterator[StateConnection]:  # noqa: ARG002 - PostgreSQL finds damage itself
        """Read a state that no transaction changes meanwhile."""
        with self._session() as session, session.run(LOCK_TIMEOUT, NO_LOCK, "REPEATABLE READ, READ ONLY"):
            yield session.db

    @contextlib.contextmanager
    def transaction(self) -> Iterator[StateConnection]:
        """Run a transaction, one after the other of all machines."""
        with self._session() as session, session.run(LOCK_TIMEOUT, ONE_BY_ONE):
            yield session.db

    def now(self, db: StateConnection, own: datetime) -> datetime:  # noqa: ARG002 - machines' clocks differ
        """Return the server's time."""
        (seconds,) = db.execute(f"SELECT {self.clock}").fetchone()
        return datetime.fromtimestamp(seconds, UTC)

    def tag(self, *tables: str) -> str:
        """Return a text that differs between two states: the rows, and the transaction that wrote last."""
        with self.read(*tables) as db:
            parts = (db.execute(ROWS_WRITTEN.format(table=table)).fetchone() for table in tables)
            return "-".join(f"{count}-{newest}" for count, newest in parts)

    def open_session(self) -> PostgresSession:
        """Return a connection of its own."""
        return PostgresSession(self._read_url, lambda: self.clock)

    @contextlib.contextmanager
    def _session(self) -> Iterator[PostgresSession]:
        """Lend a connection that nobody else uses meanwhile."""
        try:
            session = self._idle.pop()
        except IndexError:  # a session that refers to this object would keep it alive, and so its connection
            session = PostgresSession(self._read_url)
        try:
            yield session
        finally:
            self._idle.append(session)


def _close_all(sessions: list[PostgresSession]) -> None:
    for session in sessions:
        session.close()


class PostgresSession:
    """One connection, for one transaction after the other."""

    def __init__(self, read_url: Callable[[], str], clock: Callable[[], str] = lambda: SERVER_CLOCK) -> None:
        self._read_url = read_url
        self._clock = clock
        with translate_postgres_errors(read_url):
            self.db = PostgresConnection(connect(read_url))
        self._close = weakref.finalize(self, _close, self.db)

    def transaction(
        self, patience: float, key: str, *, durable: bool = False
    ) -> contextlib.AbstractContextManager[float]:
        """Run a transaction that holds the lock of the key's row."""
        return self.run(patience, sql.SQL(KEY_LOCK).format(key=key).as_string(), durable=durable)

    def statement(self, patience: float) -> contextlib.AbstractContextManager[float]:
        """Run a transaction of one statement."""
        return self.run(patience, NO_LOCK, durable=False)

    @contextlib.contextmanager
    def run(
        self, patience: float, lock: str, mode: str = "READ COMMITTED", *, durable: bool = True
    ) -> Iterator[float]:
        """Run a transaction that begins with the SELECT `lock`; yield the time after it.

        The commit of one that is not `durable` does not wait for the server's disk.
        """
        with translate_postgres_errors(self._read_url):
            begin = f"BEGIN ISOLATION LEVEL {mode}; SET LOCAL lock_timeout = '{1000 * patience:.0f}ms'"
            select = f"SELECT {self._clock()} FROM ({lock}) AS locked"  # noqa: S608 - words of this module
            commit = "SET LOCAL synchronous_commit = off; " * (not durable)
            seconds = self._begin(patience, f"{begin}; {commit}{select}")
            try:
                yield seconds
                self._execute("COMMIT")
            except BaseException:
                self._roll_back()
                raise

    def close(self) -> None:
        """End the connection."""
        self._close()

    def _begin(self, patience: float, beginning: str) -> float:
        """Begin a transaction, where need be on a new connection: nothing is lost with the old one."""
        if not self._close.alive:
            raise psycopg.ProgrammingError("the session is closed")
        give_up = time.monotonic() + patience
        while True:
            try:
                if self.db.connection.closed:
                    self.db.connection = connect(self._read_url)
                return self._start(beginning)
            except psycopg.OperationalError:
                if not self.db.connection.closed:  # the server waited for a lock
                    self._roll_back()
                    raise
                if time.monotonic() >= give_up:
                    raise
            time.sleep(min(RETRY_EVERY, patience))

    def _start(self, beginning: str) -> float:
        cursor = self._execute(beginning)
        while cursor.nextset():
            pass
        ((seconds,),) = cursor.fetchall()
        return float(seconds)

    def _execute(self, statement: str) -> psycopg.Cursor[Row]:
        return self.db.connection.execute(statement.encode())

    def _roll_back(self) -> None:
        with contextlib.suppress(psycopg.Error):  # of a lost connection, whose transaction is over
            self._execute("ROLLBACK")


def _close(db: PostgresConnection) -> None:
    db.connection.close()
