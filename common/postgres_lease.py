"""A lock in PostgreSQL that is gone with the connection, and so with the process or the machine."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Iterator
from typing import Final

import psycopg

from common.postgres import Connection, connect, translate_postgres_errors

# The lock as PostgreSQL lists it: the two halves of its number.
FIND_HOLDER: Final = """
SELECT coalesce(holder, 'another process') FROM pg_locks LEFT JOIN lease ON name = %(name)s
WHERE locktype = 'advisory' AND objsubid = 1 AND granted
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND (classid::BIGINT << 32) | objid::BIGINT = %(number)s
"""
RECORD_HOLDER: Final = """
INSERT INTO lease VALUES (%s, %s) ON CONFLICT (name) DO UPDATE SET holder = excluded.holder
"""


@contextlib.contextmanager
def hold_lock(
    read_url: Callable[[], str], name: str, wait: float, *, holder: str
) -> Iterator[Callable[[], bool] | None]:
    """Hold the lock `name`; yield a function that returns whether it is still held, or None.

    None says that the lock was not free within `wait` seconds. `holder` names this process.

    The connection is the lock's own. The server ends the connection of a machine that does not answer.
    """
    with translate_postgres_errors(read_url):
        connection = connect(read_url)
    try:
        with translate_postgres_errors(read_url):
            held = _lock(connection, _number_of(name), wait)
            if held:
                connection.execute(RECORD_HOLDER.encode(), (name, holder))
        yield (lambda: _is_alive(connection)) if held else None
    finally:
        # The server would notice a closed connection only a moment later; a lost one has freed the lock.
        with contextlib.suppress(psycopg.Error):
            connection.execute(b"SELECT pg_advisory_unlock_all()")
        connection.close()


def read_holder(read_url: Callable[[], str], name: str) -> str | None:
    """Return who holds the lock `name` now, in the holder's own words; None where nobody does."""
    with translate_postgres_errors(read_url), contextlib.closing(connect(read_url)) as connection:
        row = connection.execute(FIND_HOLDER.encode(), {"name": name, "number": _number_of(name)}).fetchone()
    return None if row is None else row[0]


def _lock(connection: Connection, number: int, wait: float) -> bool:
    connection.execute(b"SET idle_session_timeout = 0")  # it is idle for as long as the lock is held
    # A lock_timeout of 0 would be none at all.
    connection.execute(f"SET lock_timeout = '{max(1000 * wait, 1):.0f}ms'".encode())
    try:
        connection.execute(b"SELECT pg_advisory_lock(%s)", (number,))
    except psycopg.errors.LockNotAvailable:
        return False
    return True


def _is_alive(connection: Connection) -> bool:
    try:
        connection.execute(b"SELECT 1")
    except psycopg.Error:
        return False
    return True


def _number_of(name: str) -> int:
    return int.from_bytes(hashlib.sha256(f"floorline {name}".encode()).digest()[:8], signed=True)
