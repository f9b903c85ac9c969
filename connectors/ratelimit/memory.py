"""The counts of one key in the memory of one process, for who has no warehouse."""

import itertools
from dataclasses import dataclass
from datetime import datetime, timedelta

from connectors.ratelimit.store import BATCH_DIVISOR, WINDOW

_DAY = timedelta(days=1)


@dataclass(slots=True)
class _Sent:
    cost: int
    metered: int
    free_at: float


class InMemoryStore:
    """A `Store` that ends with its process."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self._sent: dict[int, _Sent] = {}
        self._per_minute: int | None = None
        self._held_until = float("-inf")
        self._used = 0
        self._limit: int | None = None
        self._resets_at: datetime | None = None
        self._starts: dict[str, list[datetime]] = {}
        self._most_starts: dict[str, int] = {}

    def acquire(
        self, ticket: int, cost: int, *, metered: bool, lease: float, now: float, at: datetime, most: int = 1
    ) -> tuple[int, float | None, int]:
        """Let a request go, or say how long it waits; see `Store.ask`."""
        ticket = ticket or next(self._numbers)
        self._sent = {number: sent for number, sent in self._sent.items() if sent.free_at > now}
        used, limit, _ = self.month(at)
        if metered and limit is not None and used >= limit:
            return ticket, None, 0
        wait = max(self._held_until - now, self._wait(cost, now))
        if wait > 0:
            return ticket, wait, 0
        month = limit - used if metered and limit is not None else None
        many = self._share(most, month)
        self._sent[ticket] = _Sent(many * cost, many * metered, now + lease)
        self._used += many * metered
        return ticket, 0.0, many

    def _share(self, most: int, month: int | None) -> int:
        """Return how many requests may go at once, of those that the minute and the month have room for."""
        taken = sum(sent.cost for sent in self._sent.values())
        minute = None if self._per_minute is None else self._per_minute - taken
        return max(min([most, *(room // BATCH_DIVISOR for room in (minute, month) if room is not None)]), 1)

    def _wait(self, cost: int, now: float) -> float:
        """Seconds until there may be room; what has no answer yet counts for a minute more at least."""
        if self._per_minute is None:
            return 0.0
        over = sum(sent.cost for sent in self._sent.values()) + min(cost, self._per_minute) - self._per_minute
        wait = 0.0
        for sent in sorted(self._sent.values(), key=lambda sent: sent.free_at):
            if over <= 0:
                break
            over -= sent.cost
            wait = min(sent.free_at - now, WINDOW)
        return wait

    def settle(self, ticket: int, free_at: float) -> None:
        """Have what was let go on a ticket count until `free_at`."""
        if ticket in self._sent:
            self._sent[ticket].free_at = free_at

    def release(self, ticket: int, cost: int) -> None:
        """Forget what was not sent; `cost` is what it all costs."""
        sent = self._sent.get(ticket)
        if sent is None:
            return
        unsent = min(sent.metered, cost)
        self._used = max(self._used - unsent, 0)
        sent.metered -= unsent
        sent.cost -= cost
        if sent.cost <= 0:
            del self._sent[ticket]

    def set_rate(self, per_minute: int) -> None:
        """Set what a minute allows."""
        self._per_minute = per_minute

    def pause(self, now: float, until: float) -> None:
        """Let nothing go before `until`."""
        self._held_until = max(self._held_until, now, until)

    def sync_month(
        self,
        used: int | None,
        limit: int,
        *,
        since: float,
        own: int,
        resets_at: datetime | None,
        at: datetime,
    ) -> None:
        """Correct the month by what the source said; see `Store.told_month`."""
        ours, _, known_reset = self.month(at)
        self._limit, self._resets_at = limit, resets_at or known_reset
        if used is not None:
            unsettled = sum(
                max(sent.metered - (ticket == own), 0)
                for ticket, sent in self._sent.items()
                if sent.free_at > since + WINDOW
            )
            most = used + unsettled
            self._used = ours if used <= ours <= most else min(most, max(used, limit))

    def month(self, at: datetime) -> tuple[int, int | None, datetime | None]:
        """Return what of the month is used, its limit, and when it starts anew."""
        if self._resets_at is not None and at >= self._resets_at:
            self._used, self._resets_at = 0, None
        return self._used, self._limit, self._resets_at

    def start_stream(self, route: str, at: datetime) -> tuple[bool, datetime | None]:
        """Count a start, unless they are used up; see `Store.start_stream`."""
        used, most = self.streams(route, at)
        starts = self._starts[route]
        if most is not None and used >= most:
            return False, starts[0] + _DAY if starts else None
        starts.append(at)
        return True, None

    def release_stream_start(self, route: str) -> None:
        """Forget the newest start."""
        del self._starts[route][-1:]

    def sync_streams(
        self, route: str, used: int | None, limit: int, *, resets_at: datetime | None, at: datetime
    ) -> None:
        """Correct the starts by what the source said; see `Store.told_streams`."""
        ours, _ = self.streams(route, at)
        self._most_starts[route] = limit
        if used is not None:
            unseen = [resets_at - _DAY if resets_at else at] * (used - ours)
            self._starts[route] = sorted(unseen + self._starts[route][max(ours - used, 0) :])

    def streams(self, route: str, at: datetime) -> tuple[int, int | None]:
        """Return the starts of the last 24 hours, and how many there may be."""
        starts = [min(start, at) for start in self._starts.get(route, []) if start > at - _DAY]
        self._starts[route] = starts
        return len(starts), self._most_starts.get(route)

    def close(self) -> None:
        """Nothing is held open."""
