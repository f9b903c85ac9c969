"""A key has two connections to feeds, over all processes."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from functools import partial
from pathlib import Path

from common.sqlite_state import SqliteState
from connectors.ratelimit.feed_slot_table import LIFETIME
from connectors.ratelimit.ledger import RequestLedger
from tests.support.clocks import NOON, VirtualClock
from tests.support.rate_limits import shared_rate_limiter


def test_processes_share_the_connections_of_a_key(tmp_path: Path) -> None:
    ledgers = [RequestLedger(SqliteState(tmp_path / "state.db"), "print", "cs2cap") for _ in range(3)]
    other_key = RequestLedger(SqliteState(tmp_path / "state.db"), "other", "cs2cap")
    first, second, third = (
        partial(ledger.claim_feed, name) for ledger, name in zip(ledgers, "abc", strict=True)
    )
    assert [first(NOON), second(NOON), third(NOON), first(NOON)] == [True, True, False, True]
    assert other_key.claim_feed("c", NOON)
    ledgers[1].release_feed("b")
    assert third(NOON)
    # A process that died, and a clock that was set back.
    later = NOON + timedelta(seconds=LIFETIME)
    assert [second(later), third(later), first(later)] == [True, True, False]
    assert first(NOON - timedelta(days=1))


def test_connection_is_renewed_and_given_back(tmp_path: Path) -> None:
    async def main() -> None:
        clock, state = VirtualClock(), SqliteState(tmp_path / "state.db")
        one, two = (shared_rate_limiter(state, None, clock) for _ in range(2))
        order = []

        async def third() -> None:
            async with two.feed_connection():
                order.append("third")

        async with one.feed_connection():
            async with one.feed_connection():
                waiting = asyncio.create_task(third())
                await clock.sleep(10 * LIFETIME)
                order.append("ended")
            await waiting
        assert order == ["ended", "third"]

    asyncio.run(main())
