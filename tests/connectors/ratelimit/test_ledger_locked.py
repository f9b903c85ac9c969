"""A locked `state.db` makes requests wait, stops nothing else meanwhile, and is told of in the end."""

import asyncio
import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from common.clock import SystemClock
from common.errors import WarehouseLocked, WarehouseUnusable
from connectors.ratelimit.ledger import RequestLedger
from connectors.ratelimit.limiter import RateLimiter
from tests.support.clocks import VirtualClock


@contextlib.contextmanager
def locked(state: Path) -> Iterator[sqlite3.Connection]:
    """Hold the file's write lock, as a process that hangs in a transaction does."""
    with contextlib.closing(sqlite3.connect(state, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield other


def test_a_request_waits_for_the_lock_while_others_go_on(tmp_path: Path) -> None:
    throttle = RateLimiter(5, SystemClock(), RequestLedger(tmp_path / "state.db", "f00d", "cs2cap"))
    happened: list[str] = []

    async def request() -> None:
        async with throttle.acquire():
            happened.append("sent")

    async def others(lock: sqlite3.Connection) -> None:
        for _ in range(3):
            await asyncio.sleep(0.15)
            happened.append("else")
        lock.execute("ROLLBACK")

    async def main() -> None:
        with locked(tmp_path / "state.db") as lock:
            await asyncio.gather(request(), others(lock))

    asyncio.run(main())
    throttle.close()
    assert happened == ["else", "else", "else", "sent"]


def test_half_a_minute_of_waiting_is_told(tmp_path: Path) -> None:
    clock = VirtualClock()
    ledger = RequestLedger(tmp_path / "state.db", "f00d", "cs2cap")
    with locked(tmp_path / "state.db"):
        assert ledger.acquire(0, 1, metered=True, lease=90, now=7.0, at=clock.now()) == (0, 0.1, 0)
        assert ledger.acquire(0, 1, metered=True, lease=90, now=36.9, at=clock.now()) == (0, 0.1, 0)
        with pytest.raises(WarehouseLocked):
            ledger.acquire(0, 1, metered=True, lease=90, now=37.0, at=clock.now())
    assert ledger.acquire(0, 1, metered=True, lease=90, now=38.0, at=clock.now()) == (1, 0.0, 1)


def test_an_answer_that_cannot_be_written_down_frees_its_slot_later(tmp_path: Path) -> None:
    clock = VirtualClock()
    throttle = RateLimiter(1, clock, RequestLedger(tmp_path / "state.db", "f00d", "cs2cap"))

    async def main() -> list[float]:
        with contextlib.ExitStack() as stack:
            async with throttle.acquire():
                stack.enter_context(locked(tmp_path / "state.db"))
        async with throttle.acquire() as slot:
            return [slot.sent_at]

    assert asyncio.run(main()) == [90]


def test_a_folder_that_cannot_be_written_to_is_told(tmp_path: Path) -> None:
    (tmp_path / "state.db").mkdir()
    with pytest.raises(WarehouseUnusable):
        RequestLedger(tmp_path / "state.db", "f00d", "cs2cap")
