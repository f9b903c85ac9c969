"""Never more arrivals in any minute than the tier allows, however requests and answers travel."""

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.throttle import WINDOW, Throttle
from tests.virtual_clock import VirtualClock

Travel = tuple[float, float]


def arrivals(throttle: Throttle, clock: VirtualClock, travels: list[Travel]) -> list[float]:
    """Send one request for each of `travels` (seconds there and back) at once; tell when they arrive."""
    arrived: list[float] = []

    async def send(there: float, back: float) -> None:
        async with throttle.slot():
            await clock.sleep(there)
            arrived.append(clock.time)
            await clock.sleep(back)

    async def main() -> None:
        await asyncio.gather(*(send(*travel) for travel in travels))

    asyncio.run(main())
    return sorted(arrived)


def most_in_a_minute(moments: list[float]) -> int:
    return max(sum(start <= moment < start + WINDOW for moment in moments) for start in moments)


@settings(max_examples=40, deadline=None)
@given(
    st.integers(1, 5),
    st.lists(st.tuples(st.floats(0, 70), st.floats(0, 70)), min_size=1, max_size=15),
)
def test_no_minute_holds_more_than_allowed(per_minute: int, travels: list[Travel]) -> None:
    clock = VirtualClock()
    moments = arrivals(Throttle(per_minute, clock), clock, travels)
    assert len(moments) == len(travels)
    assert most_in_a_minute(moments) <= per_minute


def test_what_a_minute_allows_goes_at_once() -> None:
    clock = VirtualClock()
    moments = arrivals(Throttle(3, clock), clock, [(0.0, 0.0)] * 7)
    assert moments == [0, 0, 0, 60, 60, 60, 120]


def test_without_a_limit_nothing_waits() -> None:
    clock = VirtualClock()
    assert arrivals(Throttle(None, clock), clock, [(0.0, 0.0)] * 50) == [0] * 50


def test_an_allowance_learned_later_counts_what_was_sent() -> None:
    clock = VirtualClock()
    throttle = Throttle(None, clock)
    arrivals(throttle, clock, [(0.0, 0.0)] * 2)
    throttle.pace(3)
    assert arrivals(throttle, clock, [(0.0, 0.0)] * 3) == [0, 60, 60]


def test_an_allowance_stands_once_it_is_set() -> None:
    clock = VirtualClock()
    throttle = Throttle(1, clock)
    throttle.pace(100)
    assert arrivals(throttle, clock, [(0.0, 0.0)] * 2) == [0, 60]


@pytest.mark.parametrize("per_minute", [None, 100])
def test_a_hold_stops_every_request(per_minute: int | None) -> None:
    clock = VirtualClock()
    throttle = Throttle(per_minute, clock)
    throttle.hold(9.0)
    throttle.hold(4.0)
    assert arrivals(throttle, clock, [(0.0, 0.0)] * 3) == [9, 9, 9]


def test_a_request_given_up_while_it_waits_gives_its_slot_back() -> None:
    clock = VirtualClock()
    throttle = Throttle(1, clock)

    async def main() -> None:
        throttle.hold(30.0)
        waiting = asyncio.create_task(throttle.slot().__aenter__())
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)

    asyncio.run(main())
    assert arrivals(throttle, clock, [(0.0, 0.0)]) == [30]
