"""The counts of one key in the memory of one process, for who has no warehouse."""

import itertools
from dataclasses import dataclass
from datetime import datetime, timedelta

_WINDOW = 60.0
_DAY = timedelta(days=1)


@dataclass(slots=True)
class _Sent:
    cost: int
    metered: bool
    free_at: float


class Memory:
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

    def ask(
        self, ticket: int, cost: int, *, metered: bool, lease: float, now: float, at: datetime
    ) -> tuple[int, float | None]:
        """Let a request go, or say how long it waits; see `Store.ask`."""
        ticket = ticket or next(self._numbers)
        self._sent = {number: sent for number, sent in self._sent.items() if sent.free_at > now}
        used, limit, _ = self.month(at)
        if metered and limit is not None and used >= limit:
            return ticket, None
        wait = max(self._held_until - now, self._wait(cost, now))
        if wait <= 0:
            self._sent[ticket] = _Sent(cost, metered, now + lease)
            self._used += metered
        return ticket, wait

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
            wait = min(sent.free_at - now, _WINDOW)
        return wait

    def answered(self, ticket: int, free_at: float) -> None:
        """Have a request that was let go count until `free_at`."""
        if ticket in self._sent:
            self._sent[ticket].free_at = free_at

    def withdraw(self, ticket: int) -> None:
        """Forget a request that was not sent."""
        sent = self._sent.pop(ticket, None)
        if sent is not None:
            self._used = max(self._used - sent.metered, 0)

    def pace(self, per_minute: int) -> None:
        """Set what a minute allows."""
        self._per_minute = per_minute

    def hold(self, now: float, until: float) -> None:
        """Let nothing go before `until`."""
        self._held_until = max(self._held_until, now, until)

    def told_month(
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
                sent.metered
                for ticket, sent in self._sent.items()
                if ticket != own and sent.free_at > since + _WINDOW
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

    def take_back_stream(self, route: str) -> None:
        """Forget the newest start."""
        del self._starts[route][-1:]

    def told_streams(
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
