"""Arrivals in any minute never exceed the rate limit, however long requests and responses take."""

import asyncio
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.errors import ConnectFailed, OnHold
from common.sqlite_state import SqliteState
from connectors.ratelimit.ledger_tables import LONGEST_HOLD
from connectors.ratelimit.limiter import MAX_PAUSE, RateLimiter
from tests.support.clocks import VirtualClock
from tests.support.rate_limits import (
    MakeRateLimiter,
    TravelTimes,
    arrival_times,
    max_per_minute,
    shared_rate_limiter,
)


@settings(max_examples=40, deadline=None)
@given(
    st.integers(1, 5),
    st.lists(st.tuples(st.floats(0, 70), st.floats(0, 70)), min_size=1, max_size=15),
    st.booleans(),
)
def test_arrivals_never_exceed_the_rate_limit(
    per_minute: int, travel_times: list[TravelTimes], in_memory: bool
) -> None:
    clock = VirtualClock()
    with TemporaryDirectory() as folder:
        if in_memory:
            rate_limiter = RateLimiter(per_minute, clock, deadline=140)
        else:
            rate_limiter = shared_rate_limiter(
                SqliteState(Path(folder) / "state.db"), per_minute, clock, deadline=140
            )
        times = arrival_times(rate_limiter, clock, travel_times)
        rate_limiter.close()
    assert len(times) == len(travel_times)
    assert max_per_minute(times) <= per_minute


def test_requests_within_the_limit_are_sent_at_once(make_rate_limiter: MakeRateLimiter) -> None:
    clock = VirtualClock()
    times = arrival_times(make_rate_limiter(3, clock), clock, [(0.0, 0.0)] * 7)
    assert times == [0, 0, 0, 60, 60, 60, 120]


def test_without_a_limit_no_request_waits(make_rate_limiter: MakeRateLimiter) -> None:
    clock = VirtualClock()
    assert arrival_times(make_rate_limiter(None, clock), clock, [(0.0, 0.0)] * 50) == [0] * 50


def test_limit_set_later_counts_earlier_requests(make_rate_limiter: MakeRateLimiter) -> None:
    clock = VirtualClock()
    rate_limiter = make_rate_limiter(None, clock)
    arrival_times(rate_limiter, clock, [(0.0, 0.0)] * 2)
    rate_limiter.set_rate(3)
    assert arrival_times(rate_limiter, clock, [(0.0, 0.0)] * 3) == [0, 60, 60]


@pytest.mark.parametrize(("per_minute", "expected"), [(4, [0, 0, 60, 60]), (1, [60, 120, 180, 240])])
def test_changed_limit_applies_at_once(
    make_rate_limiter: MakeRateLimiter, per_minute: int, expected: list[float]
) -> None:
    clock = VirtualClock()
    rate_limiter = make_rate_limiter(2, clock)
    arrival_times(rate_limiter, clock, [(0.0, 0.0)] * 2)
    rate_limiter.set_rate(per_minute)
    rate_limiter.set_rate(None)
    assert arrival_times(rate_limiter, clock, [(0.0, 0.0)] * 4) == expected


def test_raised_limit_admits_waiting_requests(make_rate_limiter: MakeRateLimiter) -> None:
    clock = VirtualClock()
    rate_limiter = make_rate_limiter(1, clock)

    async def main() -> list[float]:
        times: list[float] = []

        async def request() -> None:
            async with rate_limiter.acquire():
                times.append(clock.time)

        async def upgrade() -> None:
            await clock.sleep(7.0)
            rate_limiter.set_rate(2)

        await asyncio.gather(request(), request(), upgrade())
        return times

    first, second = asyncio.run(main())
    assert first == 0
    assert 7 <= second <= 60


@pytest.mark.parametrize("per_minute", [None, 100])
def test_pause_stops_every_request(make_rate_limiter: MakeRateLimiter, per_minute: int | None) -> None:
    clock = VirtualClock()
    rate_limiter = make_rate_limiter(per_minute, clock)
    rate_limiter.pause(9.0)
    rate_limiter.pause(4.0)
    assert arrival_times(rate_limiter, clock, [(0.0, 0.0)] * 3) == [9, 9, 9]


def test_longer_pause_is_a_hold_of_a_day_at_most(make_rate_limiter: MakeRateLimiter) -> None:
    clock = VirtualClock()
    rate_limiter = make_rate_limiter(None, clock)
    assert rate_limiter.pause(MAX_PAUSE) is None
    assert arrival_times(rate_limiter, clock, [(0.0, 0.0)]) == [MAX_PAUSE]
    held_until = rate_limiter.pause(300 * 86_400.0)
    assert held_until == clock.now() + LONGEST_HOLD
    with pytest.raises(OnHold, match="until 2026-06-02 12:02 UTC, and nothing was sent") as caught:
        arrival_times(rate_limiter, clock, [(0.0, 0.0)])
    assert caught.value.retry_after == LONGEST_HOLD.total_seconds()
    clock.time += LONGEST_HOLD.total_seconds()
    assert arrival_times(rate_limiter, clock, [(0.0, 0.0)]) == [clock.time]


def test_request_cancelled_while_it_waits_does_not_count(make_rate_limiter: MakeRateLimiter) -> None:
    clock = VirtualClock()
    rate_limiter = make_rate_limiter(1, clock)

    async def main() -> None:
        rate_limiter.pause(30.0)
        waiting = asyncio.create_task(rate_limiter.acquire().__aenter__())
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)

    asyncio.run(main())
    assert arrival_times(rate_limiter, clock, [(0.0, 0.0)]) == [30]


def test_unsent_request_counts_neither_in_the_minute_nor_in_the_month(
    make_rate_limiter: MakeRateLimiter,
) -> None:
    clock = VirtualClock()
    rate_limiter = make_rate_limiter(1, clock)
    rate_limiter.sync_month(5, 10, since=rate_limiter.sync_point())

    async def main() -> None:
        with pytest.raises(ConnectFailed):
            async with rate_limiter.acquire():
                raise ConnectFailed("no route to host")

    asyncio.run(main())
    assert rate_limiter.month_usage().used == 5
    assert arrival_times(rate_limiter, clock, [(0.0, 0.0)]) == [0]
    assert rate_limiter.month_usage().used == 6


def test_request_with_a_cost_waits_until_the_cost_is_free(make_rate_limiter: MakeRateLimiter) -> None:
    clock = VirtualClock()
    rate_limiter = make_rate_limiter(6, clock)

    async def main() -> list[tuple[int, float]]:
        times: list[tuple[int, float]] = []

        async def request(cost: int) -> None:
            async with rate_limiter.acquire(cost):
                times.append((cost, clock.time))

        await asyncio.gather(*(request(cost) for cost in (5, 5, 1, 1, 99)))
        return times

    assert asyncio.run(main()) == [(5, 0), (5, 60), (1, 60), (1, 120), (99, 180)]
