"""Processes that use one key keep within its limits together, and take turns."""

import asyncio
import random
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.ratelimit.ledger import RequestLedger
from connectors.ratelimit.ledger_tables import WINDOW
from connectors.ratelimit.limiter import RateLimiter
from tests.support.clocks import NOON, VirtualClock
from tests.support.rate_limits import arrival_times, max_per_minute, send_request, shared_rate_limiter

MINUTES = 20
PER_MINUTE = 40


def flood(
    rate_limiters: list[RateLimiter], clock: VirtualClock, seed: int, slowest: float
) -> list[list[float]]:
    """Have each client send as fast as it may, eight at once, for `MINUTES`; the arrivals of each."""
    luck = random.Random(seed)

    async def worker(rate_limiter: RateLimiter, arrived: list[float]) -> None:
        while clock.time < MINUTES * WINDOW:
            await send_request(
                rate_limiter, clock, (luck.uniform(0, slowest), luck.uniform(0, slowest)), arrived
            )

    async def main() -> list[list[float]]:
        clients: list[list[float]] = [[] for _ in rate_limiters]
        pairs = zip(rate_limiters, clients, strict=True)
        await asyncio.gather(
            *(worker(rate_limiter, arrived) for rate_limiter, arrived in pairs for _ in range(8))
        )
        return [sorted(moment for moment in moments if moment < MINUTES * WINDOW) for moments in clients]

    return asyncio.run(main())


@settings(max_examples=5, deadline=None)
@given(st.integers(0, 2**32), st.floats(0.01, 1.5))
def test_twenty_minutes_of_two_clients_fill_the_budget_and_never_exceed_it(seed: int, slowest: float) -> None:
    clock = VirtualClock()
    with TemporaryDirectory() as folder:
        state = Path(folder) / "state.db"
        rate_limiters = [shared_rate_limiter(state, PER_MINUTE, clock) for _ in range(2)]
        clients = flood(rate_limiters, clock, seed, slowest)
        for rate_limiter in rate_limiters:
            rate_limiter.close()
    moments = sorted(moment for client in clients for moment in client)
    assert max_per_minute(moments) <= PER_MINUTE  # a fixed window is a sliding one that starts on the minute
    assert len(moments) >= 0.95 * MINUTES * PER_MINUTE
    assert min(map(len, clients)) >= 0.45 * len(moments)


def test_a_process_with_few_requests_does_not_wait_for_one_with_many(tmp_path: Path) -> None:
    clock = VirtualClock()
    many, few = (shared_rate_limiter(tmp_path / "state.db", 2, clock) for _ in range(2))

    async def main() -> tuple[list[float], list[float]]:
        crowd: list[float] = []
        alone: list[float] = []

        async def late() -> None:
            await clock.sleep(1.0)
            await send_request(few, clock, (0.0, 0.0), alone)

        await asyncio.gather(*(send_request(many, clock, (0.0, 0.0), crowd) for _ in range(20)), late())
        return crowd, alone

    crowd, alone = asyncio.run(main())
    assert alone == [60]
    assert crowd == [0, 0, 60, *(120 + 60 * (place // 2) for place in range(17))]


def test_a_hold_of_one_process_holds_the_other(tmp_path: Path) -> None:
    clock = VirtualClock()
    told, other = (shared_rate_limiter(tmp_path / "state.db", 10, clock) for _ in range(2))
    told.pause(25.0)
    assert arrival_times(other, clock, [(0.0, 0.0)] * 2) == [25, 25]


def test_keys_do_not_share_a_minute(tmp_path: Path) -> None:
    clock = VirtualClock()
    mine = shared_rate_limiter(tmp_path / "state.db", 1, clock)
    yours = RateLimiter(1, clock, RequestLedger(tmp_path / "state.db", "beef", "cs2cap"))
    assert arrival_times(mine, clock, [(0.0, 0.0)]) == arrival_times(yours, clock, [(0.0, 0.0)]) == [0]


def test_what_a_killed_process_had_under_way_frees_itself(tmp_path: Path) -> None:
    clock = VirtualClock()
    RequestLedger(tmp_path / "state.db", "f00d", "cs2cap").acquire(
        0, 1, metered=True, lease=90.0, now=clock.monotonic(), at=clock.now()
    )
    assert arrival_times(shared_rate_limiter(tmp_path / "state.db", 1, clock), clock, [(0.0, 0.0)]) == [90]


def test_a_killed_process_that_stood_in_line_is_passed_over(tmp_path: Path) -> None:
    clock = VirtualClock()
    rate_limiter = shared_rate_limiter(tmp_path / "state.db", 1, clock)
    arrival_times(rate_limiter, clock, [(0.0, 0.0)])
    dead = RequestLedger(tmp_path / "state.db", "f00d", "cs2cap")
    clock.time = 59.0
    assert dead.acquire(0, 1, metered=True, lease=90.0, now=59.0, at=clock.now())[1] == 1.0
    assert arrival_times(rate_limiter, clock, [(0.0, 0.0)]) == [pytest.approx(65, abs=5)]


@pytest.mark.parametrize("uptime", [0.0, 40.0, 1e6])
def test_a_machine_that_starts_anew_waits_for_a_minute_at_most(tmp_path: Path, uptime: float) -> None:
    before = VirtualClock()
    before.time = 500_000.0
    rate_limiter = shared_rate_limiter(tmp_path / "state.db", 2, before)
    arrival_times(rate_limiter, before, [(0.0, 0.0)] * 2)
    rate_limiter.pause(500.0)
    after = VirtualClock()
    after.time = uptime
    (moment,) = arrival_times(shared_rate_limiter(tmp_path / "state.db", 2, after), after, [(0.0, 0.0)])
    assert moment - uptime <= WINDOW


def test_who_read_the_clock_before_another_let_go_takes_nothing_from_it(tmp_path: Path) -> None:
    """It may have waited for the store in between; the other's request is under way all the same."""
    first, second = (RequestLedger(tmp_path / "state.db", "print", "cs2cap") for _ in range(2))
    asked: dict[str, Any] = {"metered": True, "lease": 90.0, "at": NOON}
    for ledger, now in ((first, 100.1), (second, 100.0)):
        assert ledger.acquire(0, 1, now=now, **asked)[1] == 0
    first.sync_month(500, 1000, since=0.0, own=0, resets_at=None, at=NOON)
    third, *_ = first.acquire(0, 1, now=100.2, **asked)
    first.sync_month(501, 1000, since=100.2, own=third, resets_at=None, at=NOON)
    assert first.month(NOON)[0] == 503  # two may not have been counted yet
    for ledger in (first, second):
        ledger.close()
