"""The database of the state that processes share, as its users see it: SQLite's, or PostgreSQL's.

The SQL of all users is what both understand: CASE and coalesce, ON CONFLICT, `?` or `:name` for a value,
`rowid` for the order in which rows arrived, and no truth value in the place of an integer.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any, Final, Protocol

LOCK_TIMEOUT: Final = 30.0  # seconds to wait for another process that writes
Parameters = Sequence[Any] | Mapping[str, Any]


class StateRow(Protocol):
    """A row: a mapping of its values by the names of the columns, which also has them by position."""

    def keys(self) -> Sequence[str]:
        """Return the names of the columns."""

    def __getitem__(self, key: str, /) -> Any:  # noqa: ANN401 - a row has values of any type
        """Return a value."""


class StateRows(Protocol):
    """The result of a statement."""

    @property
    def rowcount(self) -> int:
        """How many rows the statement changed."""

    def fetchone(self) -> Any:  # noqa: ANN401 - a row has values of any type
        """Return the next row, or None."""

    def fetchall(self) -> list[Any]:
        """Return the rows."""

    def __iter__(self) -> Iterator[Any]: ...


class StateConnection(Protocol):
    """Runs statements inside of a transaction."""

    def execute(self, sql: str, parameters: Parameters = ..., /) -> StateRows:
        """Run one statement."""

    def executemany(self, sql: str, parameters: Sequence[Any], /) -> StateRows:
        """Run one statement for each set of values; the result counts the rows of all."""


class StateSession(Protocol):
    """A connection that stays open, for transactions that are many and short: those of the rate limiter.

    A transaction yields the time of the database's clock in Unix seconds, or None where all processes share
    the clock of one machine.
    """

    @property
    def db(self) -> StateConnection:
        """What runs the statements."""

    def transaction(
        self, patience: float, key: str, *, durable: bool = False
    ) -> AbstractContextManager[float | None]:
        """Run a transaction that no other one of the same key (of `budget`) meets.

        One that is not `durable` may be lost when the server of the database crashes; on one machine, all may
        be lost when the machine does. Raises WarehouseLocked where others hold the lock for `patience`
        seconds.
        """

    def statement(self, patience: float) -> AbstractContextManager[float | None]:
        """Run a single statement, which meets no other one on the same row, and is not durable.

        Raises as `transaction`.
        """

    def close(self) -> None:
        """End the connection."""


class StateDatabase(Protocol):
    """Where processes share alerts, backfills and rate limits.

    Its methods raise WarehouseLocked, where another process writes for half a minute, and WarehouseError.
    """

    def exists(self) -> bool:
        """Return whether anything may be stored yet."""

    def create(self) -> None:
        """Create what is missing."""

    def read(self, *tables: str) -> AbstractContextManager[StateConnection]:
        """Read these tables of a database that exists."""

    def transaction(self) -> AbstractContextManager[StateConnection]:
        """Run a transaction, one after the other of all processes; a clean exit commits it."""

    def now(self, db: StateConnection, own: datetime) -> datetime:
        """Return the time (UTC) that all processes share; `own` is that of this machine."""

    def tag(self, *tables: str) -> str:
        """Return a text that differs between two states of these tables."""

    def open_session(self) -> StateSession:
        """Return a connection for many short transactions."""
