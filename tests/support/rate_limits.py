"""Throttles to try: over this process's memory, and over a warehouse's `state.db`."""

import asyncio
from collections.abc import Callable
from pathlib import Path

from connectors.ratelimit.ledger import RequestLedger
from connectors.ratelimit.ledger_tables import WINDOW
from connectors.ratelimit.limiter import RateLimiter
from tests.support.clocks import VirtualClock

Travel = tuple[float, float]
MakeThrottle = Callable[[int | None, VirtualClock], RateLimiter]


def shared(state: Path, per_minute: int | None, clock: VirtualClock, deadline: float = 30.0) -> RateLimiter:
    """Return a throttle on the budget in `state`, as one of several processes has it."""
    return RateLimiter(
        per_minute, clock, RequestLedger(state, "f00d", "cs2cap"), source="cs2cap", deadline=deadline
    )


def arrivals(throttle: RateLimiter, clock: VirtualClock, travels: list[Travel]) -> list[float]:
    """Send one request for each of `travels` (seconds there and back) at once; tell when they arrive."""
    arrived: list[float] = []

    async def main() -> None:
        await asyncio.gather(*(send(throttle, clock, travel, arrived) for travel in travels))

    asyncio.run(main())
    return sorted(arrived)


async def send(throttle: RateLimiter, clock: VirtualClock, travel: Travel, arrived: list[float]) -> None:
    """Send one request that takes so long there and back, and note when it arrives."""
    async with throttle.acquire():
        await clock.sleep(travel[0])
        arrived.append(clock.time)
        await clock.sleep(travel[1])


def most_in_a_minute(moments: list[float]) -> int:
    """Return how many there are in the fullest minute, wherever it starts."""
    return max(sum(start <= moment < start + WINDOW for moment in moments) for start in moments)
