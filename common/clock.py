"""The clock as an argument: the only module that reads the time or sleeps, so that tests can control both."""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

# How far another machine's clock may run ahead of ours; a later moment is an error of one of the two clocks.
MAX_CLOCK_SKEW: Final = timedelta(minutes=5)


def bound_moment(moment: datetime, now: datetime) -> datetime:
    """Return `moment`, another machine's time (UTC), or the latest time that `now`, our own time, allows."""
    return min(moment, now + MAX_CLOCK_SKEW)


def is_ahead(moment: datetime, now: datetime) -> bool:
    """Tell whether `moment`, another machine's time (UTC), is later than `now`, our own time, allows."""
    return moment > now + MAX_CLOCK_SKEW


def elapsed(since: datetime, now: datetime) -> timedelta:
    """Return the time since `since`, a stored time (UTC): never negative, and without end where it is ahead.

    A clock that was ahead once must make nothing wait until its time has come.
    """
    return timedelta.max if is_ahead(since, now) else max(now - since, timedelta())


class Clock(Protocol):
    """The time, and a way to wait."""

    def now(self) -> datetime:
        """Return the current time in UTC."""
        ...

    def monotonic(self) -> float:
        """Return seconds from an arbitrary start; the value never decreases."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Return after `seconds`."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        """Return the current time in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Return seconds from an arbitrary start; the value never decreases."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Return after `seconds`."""
        await asyncio.sleep(seconds)
