"""Batches of permits stay within every limit, and unused permits are returned to the ledger."""

import asyncio
import contextlib
import random
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from common.errors import BudgetSpent, ConnectFailed, QuotaExhausted
from common.sqlite_state import SqliteState
from connectors.ratelimit.admission import BATCH_TTL, MAX_BATCH
from connectors.ratelimit.ledger import Admission, RequestLedger
from connectors.ratelimit.ledger_tables import BATCH_DIVISOR
from connectors.ratelimit.limiter import RateLimiter
from tests.support.clocks import NOON, VirtualClock
from tests.support.rate_limits import (
    MakeRateLimiter,
    arrival_times,
    max_per_minute,
    send_request,
    shared_rate_limiter,
)
from tests.support.states import MakeState

PER_MINUTE = 256
MONTH = 100_000


class CountingLedger(RequestLedger):
    """Counts the calls of `acquire`."""

    calls = 0

    def acquire(
        self,
        ticket: int,
        cost: int,
        *,
        metered: bool,
        lease: float,
        now: float,
        at: datetime,
        max_permits: int = 1,
    ) -> Admission:
        """Count the call."""
        self.calls += 1
        return super().acquire(
            ticket, cost, metered=metered, lease=lease, now=now, at=at, max_permits=max_permits
        )


def run_workers(
    rate_limiter: RateLimiter, clock: VirtualClock, *, workers: int, requests: int, pause: float
) -> None:
    """Run `workers` workers that each send `requests` requests, one after the other."""

    async def worker() -> None:
        for _ in range(requests):
            async with rate_limiter.acquire():
                await clock.sleep(pause)

    async def main() -> None:
        await asyncio.gather(*(worker() for _ in range(workers)))

    asyncio.run(main())


@pytest.mark.parametrize(("per_minute", "most"), [(None, 20), (100_000, 20), (600, 40)])
def test_many_requests_need_few_calls_of_the_ledger(per_minute: int | None, most: int) -> None:
    clock = VirtualClock()
    ledger = CountingLedger()
    rate_limiter = RateLimiter(per_minute, clock, ledger)
    run_workers(rate_limiter, clock, workers=8, requests=20, pause=0.05)
    assert rate_limiter.month_usage().used == 160
    assert ledger.calls <= most


def test_sequential_requests_get_one_permit_each(make_rate_limiter: MakeRateLimiter) -> None:
    clock = VirtualClock()
    rate_limiter = make_rate_limiter(None, clock)

    async def main() -> None:
        for used in range(1, 4):
            async with rate_limiter.acquire():
                assert rate_limiter.month_usage().used == used

    asyncio.run(main())


@pytest.mark.parametrize("per_minute", [40, 120])
def test_small_rate_limits_grant_single_permits(tmp_path: Path, per_minute: int) -> None:
    ledger = RequestLedger(SqliteState(tmp_path / "state.db"), "f00d", "cs2cap")
    ledger.set_rate(per_minute)
    assert (
        ledger.acquire(0, 1, metered=True, lease=90.0, now=0.0, at=NOON, max_permits=MAX_BATCH).permits == 1
    )
    ledger.close()


def test_request_with_a_cost_gets_a_single_permit(make_rate_limiter: MakeRateLimiter) -> None:
    clock = VirtualClock()
    rate_limiter = make_rate_limiter(None, clock)

    async def main() -> None:
        async with rate_limiter.acquire(), rate_limiter.acquire(5), rate_limiter.acquire(5, metered=False):
            assert rate_limiter.month_usage().used == 2

    asyncio.run(main())


@pytest.mark.slow
@settings(max_examples=4, deadline=None)
@given(st.integers(0, 2**32), st.floats(0.01, 0.8))
@example(7, 0.0)
def test_two_processes_fill_every_minute_and_exceed_none(seed: int, slowest: float) -> None:
    clock, rng, minutes = VirtualClock(), random.Random(seed), 3
    arrived: list[float] = []

    async def worker(rate_limiter: RateLimiter) -> None:
        while clock.time < minutes * 60:
            await send_request(
                rate_limiter, clock, (rng.uniform(0, slowest), rng.uniform(0, slowest)), arrived
            )

    async def main(rate_limiters: list[RateLimiter]) -> None:
        await asyncio.gather(*(worker(rate_limiter) for rate_limiter in rate_limiters for _ in range(6)))

    with TemporaryDirectory() as folder:
        rate_limiters = [
            shared_rate_limiter(SqliteState(Path(folder) / "state.db"), PER_MINUTE, clock) for _ in range(2)
        ]
        asyncio.run(main(rate_limiters))
        assert rate_limiters[0].month_usage().used == len(arrived)
        for rate_limiter in rate_limiters:
            rate_limiter.close()
    times = sorted(time for time in arrived if time < minutes * 60)
    assert max_per_minute(times) <= PER_MINUTE
    assert len(times) >= 0.95 * minutes * PER_MINUTE


async def random_worker(
    rate_limiter: RateLimiter, clock: VirtualClock, rng: random.Random, sent: list[None]
) -> None:
    """Send some requests one after another until no more are permitted; some fail to connect."""
    for _ in range(rng.randrange(10)):
        with contextlib.suppress(ConnectFailed):
            async with rate_limiter.acquire():
                if rng.random() < 0.1:
                    raise ConnectFailed("no route to host")
                sent.append(None)
                await clock.sleep(rng.choice((0.0, 0.1, 2.0)))


async def run_random_workers(
    rate_limiters: list[RateLimiter], clock: VirtualClock, rng: random.Random
) -> list[int]:
    """Run workers on each rate limiter and cancel some; return the requests that each has sent."""
    sent: list[list[None]] = [[] for _ in rate_limiters]
    pairs = list(zip(rate_limiters, sent, strict=True)) * rng.randint(1, 12)
    tasks = [
        asyncio.create_task(random_worker(rate_limiter, clock, rng, mine)) for rate_limiter, mine in pairs
    ]
    for task in rng.sample(tasks, len(tasks) // 4):
        await asyncio.sleep(0)
        task.cancel()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    expected = (QuotaExhausted, BudgetSpent, asyncio.CancelledError)
    assert all(outcome is None or isinstance(outcome, expected) for outcome in outcomes)
    return list(map(len, sent))


@settings(max_examples=25, deadline=None)
@given(
    st.integers(0, 300),
    st.lists(st.none() | st.integers(0, 60), min_size=1, max_size=3),
    st.integers(0, 2**32),
)
def test_month_and_budget_are_never_exceeded_and_the_count_is_exact(
    left: int, budgets: list[int | None], seed: int
) -> None:
    clock = VirtualClock()
    with TemporaryDirectory() as folder:
        rate_limiters = [
            shared_rate_limiter(SqliteState(Path(folder) / "state.db"), None, clock) for _ in budgets
        ]
        rate_limiters[0].sync_month(MONTH - left, MONTH, since=rate_limiters[0].sync_point())
        for rate_limiter, budget in zip(rate_limiters, budgets, strict=True):
            if budget is not None:
                rate_limiter.set_budget(budget)
        sent = asyncio.run(run_random_workers(rate_limiters, clock, random.Random(seed)))
        used = rate_limiters[0].month_usage().used
        for rate_limiter in rate_limiters:
            rate_limiter.close()
    assert used == MONTH - left + sum(sent) <= MONTH
    pairs = zip(sent, budgets, strict=True)
    assert all(budget is None or count <= budget for count, budget in pairs)


def test_unused_permits_count_until_no_request_is_in_flight(make_rate_limiter: MakeRateLimiter) -> None:
    rate_limiter = make_rate_limiter(None, VirtualClock())

    async def main() -> None:
        async with rate_limiter.acquire():
            async with rate_limiter.acquire():
                assert rate_limiter.month_usage().used == 4
            assert rate_limiter.month_usage().used == 4

    asyncio.run(main())
    assert rate_limiter.month_usage().used == 2


def test_batch_does_not_exceed_the_budget(make_rate_limiter: MakeRateLimiter) -> None:
    rate_limiter = make_rate_limiter(None, VirtualClock())
    rate_limiter.set_budget(3)

    async def main() -> None:
        async with rate_limiter.acquire(), rate_limiter.acquire():
            assert rate_limiter.month_usage().used == 3

    asyncio.run(main())


def test_cancelled_waiting_requests_do_not_count_in_the_month(make_rate_limiter: MakeRateLimiter) -> None:
    clock = VirtualClock()
    rate_limiter = make_rate_limiter(None, clock)
    rate_limiter.sync_month(5, 1000, since=rate_limiter.sync_point())
    rate_limiter.pause(30.0)

    async def main() -> None:
        waiting = [asyncio.create_task(send_request(rate_limiter, clock, (0.0, 0.0), [])) for _ in range(3)]
        await asyncio.sleep(0)
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)

    asyncio.run(main())
    assert rate_limiter.month_usage().used == 5


def test_close_returns_unused_permits(make_state: MakeState) -> None:
    clock = VirtualClock()
    rate_limiter, other = (shared_rate_limiter(make_state(clock), None, clock) for _ in range(2))

    async def main() -> None:
        permits = [rate_limiter.acquire() for _ in range(2)]
        for permit in permits:
            await permit.__aenter__()
        assert other.month_usage().used == 4
        rate_limiter.close()
        assert other.month_usage().used == 2

    asyncio.run(main())
    other.close()


def test_pause_also_stops_permits_granted_before(make_rate_limiter: MakeRateLimiter) -> None:
    clock = VirtualClock()
    rate_limiter = make_rate_limiter(None, clock)
    arrived: list[float] = []

    async def main() -> None:
        async with rate_limiter.acquire():
            async with rate_limiter.acquire():
                rate_limiter.pause(9.0)
            assert rate_limiter.month_usage().used == 2
            await asyncio.gather(*(send_request(rate_limiter, clock, (0.0, 0.0), arrived) for _ in range(5)))

    asyncio.run(main())
    assert arrived == [9] * 5
    assert rate_limiter.month_usage().used == 7


def test_unused_permits_expire(make_rate_limiter: MakeRateLimiter) -> None:
    clock = VirtualClock()
    rate_limiter = make_rate_limiter(None, clock)

    async def main() -> None:
        async with rate_limiter.acquire():
            async with rate_limiter.acquire() as first:
                pass
            await clock.sleep(BATCH_TTL / 2)
            async with rate_limiter.acquire() as second:
                assert second.ticket == first.ticket
            await clock.sleep(BATCH_TTL / 2)
            async with rate_limiter.acquire() as third:
                assert third.ticket != first.ticket
        assert rate_limiter.month_usage().used == 4

    asyncio.run(main())


class LedgerOfKilledProcess(RequestLedger):
    """A ledger whose process dies before it settles or releases any request."""

    def settle(self, ticket: int, free_at: float, *, now: float) -> None:
        """Do nothing."""

    def release(self, ticket: int, cost: int) -> None:
        """Do nothing."""


def test_permits_of_a_killed_process_expire(make_state: MakeState) -> None:
    """The last response must have arrived after 1 s + 30 s, and counts for a minute more."""
    before, clock = VirtualClock(), VirtualClock()
    ledger = LedgerOfKilledProcess(make_state(before), "f00d", "cs2cap")
    run_workers(
        RateLimiter(PER_MINUTE, before, ledger, deadline=30), before, workers=4, requests=1, pause=1.0
    )
    rate_limiter = shared_rate_limiter(make_state(clock), PER_MINUTE, clock)
    times = arrival_times(rate_limiter, clock, [(0.0, 0.0)] * 2 * PER_MINUTE)
    in_use = rate_limiter.month_usage().used - 2 * PER_MINUTE
    assert in_use > 2
    assert [times.count(at) for at in (0, 60, 90, 91)] == [PER_MINUTE - in_use] * 2 + [1, in_use - 1]


def test_batch_counts_until_a_minute_after_its_last_response(tmp_path: Path) -> None:
    clock = VirtualClock()
    per_minute = 3 * BATCH_DIVISOR
    rate_limiter = shared_rate_limiter(SqliteState(tmp_path / "state.db"), per_minute, clock)
    # The third request shares a batch with the second.
    travel_times = [(0.0, 20.0)] * 2 + [(0.0, 0.0)] * (2 * per_minute - 2)
    times = arrival_times(rate_limiter, clock, travel_times)
    assert [times.count(at) for at in (0, 60, 80)] == [per_minute, per_minute - 3, 3]
