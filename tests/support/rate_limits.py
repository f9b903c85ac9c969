"""Rate limiters under test, over a shared `state.db`, and the arrival times of their requests."""

import asyncio
from collections.abc import Callable

from common.state_database import StateDatabase
from connectors.ratelimit.ledger import RequestLedger
from connectors.ratelimit.ledger_tables import WINDOW
from connectors.ratelimit.limiter import RateLimiter
from tests.support.clocks import VirtualClock

# The seconds that a request, and its response, take on the way.
TravelTimes = tuple[float, float]
MakeRateLimiter = Callable[[int | None, VirtualClock], RateLimiter]


def shared_rate_limiter(
    state: StateDatabase, per_minute: int | None, clock: VirtualClock, deadline: float = 30.0
) -> RateLimiter:
    """Return a rate limiter over `state`, like that of one of several processes with the same key."""
    ledger = RequestLedger(state, "f00d", "cs2cap")
    return RateLimiter(per_minute, clock, ledger, source="cs2cap", deadline=deadline)


def arrival_times(
    rate_limiter: RateLimiter, clock: VirtualClock, travel_times: list[TravelTimes]
) -> list[float]:
    """Start one request for each of `travel_times` at once; return when the requests arrive, sorted."""
    arrived: list[float] = []

    async def main() -> None:
        await asyncio.gather(*(send_request(rate_limiter, clock, each, arrived) for each in travel_times))

    asyncio.run(main())
    return sorted(arrived)


async def send_request(
    rate_limiter: RateLimiter, clock: VirtualClock, travel_times: TravelTimes, arrived: list[float]
) -> None:
    """Send one request with these travel times; append its arrival time to `arrived`."""
    async with rate_limiter.acquire():
        await clock.sleep(travel_times[0])
        arrived.append(clock.time)
        await clock.sleep(travel_times[1])


def max_per_minute(times: list[float]) -> int:
    """Return the number of `times` in the busiest minute, wherever it starts."""
    return max(sum(start <= time < start + WINDOW for time in times) for start in times)
