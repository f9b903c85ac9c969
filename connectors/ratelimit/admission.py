"""The admission queue of one process: requests leave in the order of their arrival, as the ledger permits."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final, NamedTuple

from msgspec import Struct

from common.clock import Clock
from common.errors import BudgetSpent, ConnectFailed, QuotaExhausted
from connectors.ratelimit.ledger import RequestLedger
from connectors.ratelimit.ledger_tables import WINDOW

# The ledger grants several permits at once where there is plenty of room, because each call is a transaction,
# and busy threads slow down every step of it. Unused permits go back after BATCH_TTL seconds.
MAX_BATCH: Final = 16
BATCH_TTL: Final = 1.0


class Permit(NamedTuple):
    """The right to send one request: the ticket in the ledger, the time of the grant (monotonic seconds)."""

    ticket: int
    sent_at: float


class _Batch(Struct):
    """Permits of one ticket: `unused` ones may still be taken, `unanswered` ones wait for a response."""

    ticket: int
    cost: int
    metered: bool
    unused: int
    expires_at: float
    last_response_at: float
    unanswered: int = 0


class AdmissionQueue:
    """Grants permits as `ledger` allows; a request sent at once counts for `lease` seconds at most."""

    def __init__(self, ledger: RequestLedger, clock: Clock, source: str, lease: float) -> None:
        self._ledger = ledger
        self._clock = clock
        self._source = source
        self._lease = lease
        # Only one request of a process waits in the ledger, so that processes take turns whatever their load.
        self._turn = asyncio.Lock()
        self._present = 0
        self._open_batch: _Batch | None = None
        self._budget: int | None = None

    @property
    def in_flight(self) -> int:
        """The requests that wait for a permit or for a response."""
        return self._present

    def set_budget(self, requests: int) -> None:
        """Allow `requests` more metered requests; the next one raises BudgetSpent."""
        self._budget = requests

    @asynccontextmanager
    async def acquire(self, cost: int, *, metered: bool) -> AsyncIterator[Permit]:
        """Wait for the permit to send one request, and hold it until the response has arrived.

        Raises QuotaExhausted where the month is used up, BudgetSpent where the budget is, and OnHold where
        the source asked to send nothing for longer than a run waits.
        """
        self._present += 1
        try:
            async with self._turn:
                batch = await self._take_permit(cost, metered=metered)
            try:
                yield Permit(batch.ticket, self._clock.monotonic())
            except ConnectFailed:  # the source has received nothing, and counts nothing
                self._ledger.release(batch.ticket, cost)
                raise
            finally:
                batch.unanswered -= 1
                batch.last_response_at = self._clock.monotonic()
                self._settle_if_done(batch)
        finally:
            self._present -= 1
            # Other processes may need the permits that no request of this process waits for.
            if not self._present or self._expired():
                self.release_unused()

    def release_unused(self) -> None:
        """Return the unused permits to the ledger."""
        batch, self._open_batch = self._open_batch, None
        if batch is not None:
            unused, batch.unused = batch.unused, 0
            self._ledger.release(batch.ticket, unused * batch.cost)
            self._settle_if_done(batch)

    async def _take_permit(self, cost: int, *, metered: bool) -> _Batch:
        """Take one permit off the open batch, or off a new one; return the batch."""
        if metered and self._budget is not None and self._budget <= 0:
            raise BudgetSpent("the requests that this run was allowed are used up", self._source)
        batch = self._matching_batch(cost, metered=metered)
        if batch is None:
            batch = await self._wait_for_admission(cost, metered=metered)
        if metered and self._budget is not None:
            self._budget -= 1
        batch.unused -= 1
        batch.unanswered += 1
        if batch.unused:
            self._open_batch = batch
        elif batch is self._open_batch:
            self._open_batch = None
        return batch

    def _matching_batch(self, cost: int, *, metered: bool) -> _Batch | None:
        """Return the open batch for this cost; release an expired batch to the ledger."""
        if self._expired():
            self.release_unused()
        batch = self._open_batch
        return batch if batch is not None and (batch.cost, batch.metered) == (cost, metered) else None

    def _expired(self) -> bool:
        return self._open_batch is not None and self._clock.monotonic() >= self._open_batch.expires_at

    async def _wait_for_admission(self, cost: int, *, metered: bool) -> _Batch:
        ticket = 0
        try:
            while True:
                now = self._clock.monotonic()
                ticket, wait, permits = self._request_permits(ticket, cost, now, metered=metered)
                if wait <= 0:
                    return _Batch(
                        ticket,
                        cost,
                        metered,
                        unused=permits,
                        expires_at=now + BATCH_TTL,
                        last_response_at=now,
                    )
                await self._clock.sleep(wait)
        except BaseException:  # a cancelled request must not hold up the queue
            self._ledger.release(ticket, cost)
            raise

    def _request_permits(
        self, ticket: int, cost: int, now: float, *, metered: bool
    ) -> tuple[int, float, int]:
        at, max_permits = self._clock.now(), self._batch_size(cost, metered=metered)
        ticket, wait, permits = self._ledger.acquire(
            ticket,
            cost,
            metered=metered,
            lease=self._lease + (BATCH_TTL if max_permits > 1 else 0.0),
            now=now,
            at=at,
            max_permits=max_permits,
        )
        if wait is None:
            detail, resets_at = "the month's requests are used up", self._ledger.month(at).resets_at
            raise QuotaExhausted(detail, self._source, resets_at=resets_at)
        return ticket, wait, permits

    def _batch_size(self, cost: int, *, metered: bool) -> int:
        """Return how many requests are likely soon: those present, and one more after each of the others."""
        if cost != 1 or self._open_batch is not None:
            return 1
        size = min(2 * self._present - 1, MAX_BATCH)
        return size if not metered or self._budget is None else max(min(size, self._budget), 1)

    def _settle_if_done(self, batch: _Batch) -> None:
        """Let a finished batch count for a minute from its last response."""
        if not batch.unused and not batch.unanswered:
            free_at = batch.last_response_at + WINDOW
            self._ledger.settle(batch.ticket, free_at, now=self._clock.monotonic())
