"""Processes with the same key stay within its limits and take turns."""

import asyncio
import random
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.sqlite_state import SqliteState
from connectors.ratelimit.ledger import MonthReport, RequestLedger
from connectors.ratelimit.ledger_tables import WINDOW
from connectors.ratelimit.limiter import RateLimiter
from tests.support.clocks import NOON, VirtualClock
from tests.support.rate_limits import arrival_times, max_per_minute, send_request, shared_rate_limiter
from tests.support.states import MakeState

MINUTES = 20
PER_MINUTE = 40


def send_for_minutes(
    rate_limiters: list[RateLimiter], clock: VirtualClock, seed: int, slowest: float
) -> list[list[float]]:
    """Send at full rate for `MINUTES`, eight requests at once per process; return their arrival times."""
    rng = random.Random(seed)

    async def worker(rate_limiter: RateLimiter, arrived: list[float]) -> None:
        while clock.time < MINUTES * WINDOW:
            await send_request(
                rate_limiter, clock, (rng.uniform(0, slowest), rng.uniform(0, slowest)), arrived
            )

    async def main() -> list[list[float]]:
        clients: list[list[float]] = [[] for _ in rate_limiters]
        pairs = zip(rate_limiters, clients, strict=True)
        await asyncio.gather(
            *(worker(rate_limiter, arrived) for rate_limiter, arrived in pairs for _ in range(8))
        )
        return [sorted(time for time in times if time < MINUTES * WINDOW) for times in clients]

    return asyncio.run(main())


@pytest.mark.slow
@settings(max_examples=5, deadline=None)
@given(st.integers(0, 2**32), st.floats(0.01, 1.5))
def test_two_processes_fill_the_rate_limit_and_never_exceed_it(seed: int, slowest: float) -> None:
    clock = VirtualClock()
    with TemporaryDirectory() as folder:
        state = SqliteState(Path(folder) / "state.db")
        rate_limiters = [shared_rate_limiter(state, PER_MINUTE, clock) for _ in range(2)]
        clients = send_for_minutes(rate_limiters, clock, seed, slowest)
        for rate_limiter in rate_limiters:
            rate_limiter.close()
    times = sorted(time for client in clients for time in client)
    assert max_per_minute(times) <= PER_MINUTE  # a fixed window is a sliding one that starts on the minute
    assert len(times) >= 0.95 * MINUTES * PER_MINUTE
    assert min(map(len, clients)) >= 0.45 * len(times)


def test_process_with_few_requests_does_not_wait_for_one_with_many(make_state: MakeState) -> None:
    clock = VirtualClock()
    many, few = (shared_rate_limiter(make_state(clock), 2, clock) for _ in range(2))

    async def main() -> tuple[list[float], list[float]]:
        times_of_many: list[float] = []
        times_of_few: list[float] = []

        async def send_later() -> None:
            await clock.sleep(1.0)
            await send_request(few, clock, (0.0, 0.0), times_of_few)

        await asyncio.gather(
            *(send_request(many, clock, (0.0, 0.0), times_of_many) for _ in range(20)), send_later()
        )
        return times_of_many, times_of_few

    times_of_many, times_of_few = asyncio.run(main())
    assert times_of_few == [60]
    assert times_of_many == [0, 0, 60, *(120 + 60 * (n // 2) for n in range(17))]


def test_pause_of_one_process_pauses_the_other(make_state: MakeState) -> None:
    clock = VirtualClock()
    one, other = (shared_rate_limiter(make_state(clock), 10, clock) for _ in range(2))
    one.pause(25.0)
    assert arrival_times(other, clock, [(0.0, 0.0)] * 2) == [25, 25]


def test_keys_do_not_share_a_rate_limit(make_state: MakeState) -> None:
    clock = VirtualClock()
    mine = shared_rate_limiter(make_state(clock), 1, clock)
    yours = RateLimiter(1, clock, RequestLedger(make_state(clock), "beef", "cs2cap"))
    assert arrival_times(mine, clock, [(0.0, 0.0)]) == arrival_times(yours, clock, [(0.0, 0.0)]) == [0]


def test_requests_of_a_killed_process_expire(make_state: MakeState) -> None:
    clock = VirtualClock()
    RequestLedger(make_state(clock), "f00d", "cs2cap").acquire(
        0, 1, metered=True, lease=90.0, now=clock.monotonic(), at=clock.now()
    )
    assert arrival_times(shared_rate_limiter(make_state(clock), 1, clock), clock, [(0.0, 0.0)]) == [90]


def test_queued_request_of_a_killed_process_is_skipped(make_state: MakeState) -> None:
    clock = VirtualClock()
    rate_limiter = shared_rate_limiter(make_state(clock), 1, clock)
    arrival_times(rate_limiter, clock, [(0.0, 0.0)])
    dead = RequestLedger(make_state(clock), "f00d", "cs2cap")
    clock.time = 59.0
    assert dead.acquire(0, 1, metered=True, lease=90.0, now=59.0, at=clock.now()).wait == 1.0
    assert arrival_times(rate_limiter, clock, [(0.0, 0.0)]) == [pytest.approx(65, abs=5)]


@pytest.mark.parametrize("uptime", [0.0, 40.0, 1e6])
def test_after_a_reboot_requests_wait_for_a_minute_at_most(make_state: MakeState, uptime: float) -> None:
    before = VirtualClock()
    before.time = 500_000.0
    rate_limiter = shared_rate_limiter(make_state(before), 2, before)
    arrival_times(rate_limiter, before, [(0.0, 0.0)] * 2)
    rate_limiter.pause(500.0)
    after = VirtualClock()
    after.time = uptime
    (arrived_at,) = arrival_times(shared_rate_limiter(make_state(after), 2, after), after, [(0.0, 0.0)])
    assert arrived_at - uptime <= WINDOW


def test_clock_read_before_another_processs_admission_does_not_expire_it(tmp_path: Path) -> None:
    """A process may wait for the ledger after it read the clock; the other's request is in flight."""
    first, second = (RequestLedger(SqliteState(tmp_path / "state.db"), "print", "cs2cap") for _ in range(2))
    options: dict[str, Any] = {"metered": True, "lease": 90.0, "at": NOON}
    for ledger, now in ((first, 100.1), (second, 100.0)):
        assert ledger.acquire(0, 1, now=now, **options).wait == 0
    first.sync_month(MonthReport(500, 1000, since=0.0), now=100.2, at=NOON)
    third = first.acquire(0, 1, now=100.2, **options).ticket
    first.sync_month(MonthReport(501, 1000, since=100.2, own=third), now=100.2, at=NOON)
    assert first.month(NOON).used == 503  # the source may not have counted two of them
    for ledger in (first, second):
        ledger.close()
