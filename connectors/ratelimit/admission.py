"""The way out of one process: requests leave in the order in which they came, with the store's leave."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final, NamedTuple

from common.clock import Clock
from common.errors import BudgetSpent, ConnectFailed, QuotaExhausted
from connectors.ratelimit.store import WINDOW, RateLimitStore

# The store lets several requests go at once where there is plenty of room: asking it takes a transaction, and
# threads that are at work make each of its steps wait. Who does not leave within `KEPT` asks anew.
MAX_BATCH: Final = 16
BATCH_TTL: Final = 1.0


class Permit(NamedTuple):
    """A request that may be sent: its number in the store, and when it was let go (monotonic seconds)."""

    ticket: int
    sent_at: float


@dataclass(slots=True)
class _Batch:
    """Requests that the store let go together: `left` may still leave, `out` have no answer yet."""

    number: int
    cost: int
    metered: bool
    left: int
    kept_until: float
    answered_at: float
    out: int = 0


class AdmissionQueue:
    """Lets requests out as `store` allows; `lease` is what one counts for at most, were it sent at once."""

    def __init__(self, store: RateLimitStore, clock: Clock, source: str, lease: float) -> None:
        self._store = store
        self._clock = clock
        self._source = source
        self._lease = lease
        # One of a process's requests waits in the store, so that processes take turns however many they have.
        self._first = asyncio.Lock()
        self._present = 0
        self._kept: _Batch | None = None
        self._allowed: int | None = None

    @property
    def in_flight(self) -> int:
        """Requests that wait here or are under way."""
        return self._present

    def set_budget(self, requests: int) -> None:
        """Let so many more requests of the month go; the next one raises BudgetSpent."""
        self._allowed = requests

    @asynccontextmanager
    async def acquire(self, cost: int, *, metered: bool) -> AsyncIterator[Permit]:
        """Wait for the right to send one request, and hold it until the answer is there.

        Raises QuotaExhausted where the month is used up, and BudgetSpent where the cap is.
        """
        self._present += 1
        try:
            async with self._first:
                ticket = await self._ticket(cost, metered=metered)
            try:
                yield Permit(ticket.number, self._clock.monotonic())
            except ConnectFailed:
                self._store.release(ticket.number, cost)
                raise
            finally:
                self._answered(ticket)
        finally:
            self._present -= 1
            if not self._present or self._expired():
                self.release_unused()

    def release_unused(self) -> None:
        """Return to the store what it let go and was not sent."""
        ticket, self._kept = self._kept, None
        if ticket is not None:
            left, ticket.left = ticket.left, 0
            self._store.release(ticket.number, left * ticket.cost)
            self._settle(ticket)

    async def _ticket(self, cost: int, *, metered: bool) -> _Batch:
        """Take one request off a ticket."""
        if metered and self._allowed is not None and self._allowed <= 0:
            raise BudgetSpent("the requests that this run was allowed are used up", self._source)
        ticket = self._matching_batch(cost, metered=metered) or await self._wait_for_admission(
            cost, metered=metered
        )
        if metered and self._allowed is not None:
            self._allowed -= 1
        ticket.left -= 1
        ticket.out += 1
        if ticket.left:
            self._kept = ticket
        elif ticket is self._kept:
            self._kept = None
        return ticket

    def _matching_batch(self, cost: int, *, metered: bool) -> _Batch | None:
        """Return what is kept for such a request; what was kept for too long goes back."""
        if self._expired():
            self.release_unused()
        kept = self._kept
        return kept if kept is not None and (kept.cost, kept.metered) == (cost, metered) else None

    def _expired(self) -> bool:
        return self._kept is not None and self._clock.monotonic() >= self._kept.kept_until

    async def _wait_for_admission(self, cost: int, *, metered: bool) -> _Batch:
        number = 0
        try:
            while True:
                now = self._clock.monotonic()
                number, wait, many = self._ask(number, cost, now, metered=metered)
                if wait <= 0:
                    return _Batch(number, cost, metered, many, now + BATCH_TTL, now)
                await self._clock.sleep(wait)
        except BaseException:
            self._store.release(number, cost)
            raise

    def _ask(self, number: int, cost: int, now: float, *, metered: bool) -> tuple[int, float, int]:
        at, most = self._clock.now(), self._batch_size(cost, metered=metered)
        lease = self._lease + (BATCH_TTL if most > 1 else 0.0)
        number, wait, many = self._store.acquire(
            number, cost, metered=metered, lease=lease, now=now, at=at, most=most
        )
        if wait is None:
            resets_at = self._store.month(at)[2]
            raise QuotaExhausted("the month's requests are used up", self._source, resets_at=resets_at)
        return number, wait, many

    def _batch_size(self, cost: int, *, metered: bool) -> int:
        """How many are likely to leave soon: those that are here, and one more after each of the others."""
        if cost != 1 or self._kept is not None:
            return 1
        most = min(2 * self._present - 1, MAX_BATCH)
        return most if not metered or self._allowed is None else max(min(most, self._allowed), 1)

    def _answered(self, ticket: _Batch) -> None:
        ticket.out -= 1
        ticket.answered_at = self._clock.monotonic()
        self._settle(ticket)

    def _settle(self, ticket: _Batch) -> None:
        """Have a ticket count for a minute from its last answer on, once there is nothing more to come."""
        if not ticket.left and not ticket.out:
            self._store.settle(ticket.number, ticket.answered_at + WINDOW)
