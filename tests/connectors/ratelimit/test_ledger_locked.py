"""A locked `state.db` makes requests wait, blocks no other task, and raises an error after 30 s."""

import asyncio
import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from common.clock import SystemClock
from common.sqlite_state import SqliteState
from common.warehouse_errors import WarehouseLocked, WarehouseUnusable
from connectors.ratelimit.ledger import RequestLedger
from connectors.ratelimit.limiter import RateLimiter
from tests.support.clocks import VirtualClock


@contextlib.contextmanager
def locked(state: Path) -> Iterator[sqlite3.Connection]:
    """Hold the file's write lock, like a process that hangs in a transaction."""
    with contextlib.closing(sqlite3.connect(state, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield other


def test_request_waits_for_the_lock_while_other_tasks_run(tmp_path: Path) -> None:
    rate_limiter = RateLimiter(
        5, SystemClock(), RequestLedger(SqliteState(tmp_path / "state.db"), "f00d", "cs2cap")
    )
    events: list[str] = []

    async def request() -> None:
        async with rate_limiter.acquire():
            events.append("sent")

    async def other_tasks(lock: sqlite3.Connection) -> None:
        for _ in range(3):
            await asyncio.sleep(0.15)
            events.append("other")
        lock.execute("ROLLBACK")

    async def main() -> None:
        with locked(tmp_path / "state.db") as lock:
            await asyncio.gather(request(), other_tasks(lock))

    asyncio.run(main())
    rate_limiter.close()
    assert events == ["other", "other", "other", "sent"]


def test_waiting_for_half_a_minute_raises(tmp_path: Path) -> None:
    clock = VirtualClock()
    ledger = RequestLedger(SqliteState(tmp_path / "state.db"), "f00d", "cs2cap")
    with locked(tmp_path / "state.db"):
        assert ledger.acquire(0, 1, metered=True, lease=90, now=7.0, at=clock.now()) == (0, 0.1, 0)
        assert ledger.acquire(0, 1, metered=True, lease=90, now=36.9, at=clock.now()) == (0, 0.1, 0)
        with pytest.raises(WarehouseLocked):
            ledger.acquire(0, 1, metered=True, lease=90, now=37.0, at=clock.now())
    assert ledger.acquire(0, 1, metered=True, lease=90, now=38.0, at=clock.now()) == (1, 0.0, 1)


def test_response_that_cannot_be_stored_counts_for_its_lease(tmp_path: Path) -> None:
    clock = VirtualClock()
    rate_limiter = RateLimiter(1, clock, RequestLedger(SqliteState(tmp_path / "state.db"), "f00d", "cs2cap"))

    async def main() -> list[float]:
        with contextlib.ExitStack() as stack:
            async with rate_limiter.acquire():
                stack.enter_context(locked(tmp_path / "state.db"))
        async with rate_limiter.acquire() as permit:
            return [permit.sent_at]

    assert asyncio.run(main()) == [90]


def test_path_that_cannot_be_written_raises(tmp_path: Path) -> None:
    (tmp_path / "state.db").mkdir()
    with pytest.raises(WarehouseUnusable):
        RequestLedger(SqliteState(tmp_path / "state.db"), "f00d", "cs2cap")
