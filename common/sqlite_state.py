"""The shared state of one machine: `state.db`, a file of SQLite."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Final

from common.sqlite import (
    open_state_db,
    read_state_db,
    state_transaction,
    translate_sqlite_errors,
)
from common.state_database import LOCK_TIMEOUT, StateConnection

# SQLite's name for a database of this process only.
IN_MEMORY: Final = Path(":memory:")


class SqliteState:
    """The state database at `path`. Rows are `sqlite3.Row`."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def exists(self) -> bool:
        """Return whether there is a file."""
        return self._path.exists()

    def create(self) -> None:
        """Create the file and its tables, where they are missing."""
        open_state_db(self._path).close()

    def read(self, *tables: str) -> contextlib.AbstractContextManager[StateConnection]:
        """Read these tables, also of a read-only file. Raises StateDamaged for a row that was damaged."""
        return read_state_db(self._path, *tables)

    def transaction(self) -> contextlib.AbstractContextManager[StateConnection]:
        """Run a transaction, which takes the file's lock at its first change."""
        return state_transaction(self._path)

    def now(self, db: StateConnection, own: datetime) -> datetime:  # noqa: ARG002 - one machine, one clock
        """Return the time of this machine."""
        return own

    def tag(self, *tables: str) -> str:  # noqa: ARG002 - the file shows that something has changed
        """Return a text that differs between two states of the file and its log."""
        parts = []
        for path in (self._path, self._path.with_name(f"{self._path.name}-wal")):
            with contextlib.suppress(OSError):
                status = path.stat()
                parts.append(f"{status.st_ino}-{status.st_mtime_ns}-{status.st_size}")
        return "-".join(parts)

    def open_session(self) -> SqliteSession:
        """Return a connection that stays open."""
        return SqliteSession(self._path)


class SqliteSession:
    """An open connection to `state.db`. After a power cut the newest commits may be lost."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock_timeout = LOCK_TIMEOUT
        self.db = open_state_db(path)
        self.db.execute("PRAGMA synchronous = NORMAL")

    @contextlib.contextmanager
    def transaction(
        self,
        patience: float,
        key: str,  # noqa: ARG002 - one lock for all keys
        *,
        durable: bool = False,  # noqa: ARG002 - processes and counts begin anew together, after a power cut
    ) -> Iterator[None]:
        """Run a transaction that holds the file's lock from its beginning."""
        with self.statement(patience), self.db:
            # SQLite does not wait for a lock that a transaction needs only after its first read.
            self.db.execute("BEGIN IMMEDIATE")
            yield

    @contextlib.contextmanager
    def statement(self, patience: float) -> Iterator[None]:
        """Run a single statement, which is a transaction of its own."""
        with translate_sqlite_errors(self._path):
            if patience != self._lock_timeout:
                self.db.execute(f"PRAGMA busy_timeout = {1000 * patience:.0f}")
                self._lock_timeout = patience
            yield

    def close(self) -> None:
        """Close the file."""
        self.db.close()


def memory_state() -> SqliteState:
    """Return a state database in the memory of this process: each connection has its own."""
    return SqliteState(IN_MEMORY)
