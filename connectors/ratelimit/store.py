"""What a throttle needs of the store that keeps the counts of one key."""

from datetime import datetime
from typing import Final, Protocol

WINDOW: Final = 60.0
# Who lets several requests go at once takes so small a part of what is left that nobody else misses it.
BATCH_DIVISOR: Final = 64


class RateLimitStore(Protocol):
    """The counts of one key; every call is one transaction, whoever else uses the same store.

    `now` is monotonic seconds, `at` is aware, in UTC. Tickets are handed out in the order of asking.
    """

    def acquire(
        self, ticket: int, cost: int, *, metered: bool, lease: float, now: float, at: datetime, most: int = 1
    ) -> tuple[int, float | None, int]:
        """Let a request go, or put it in line; `ticket` is its place from an earlier asking, 0 at first.

        Where there is plenty of room, up to `most` requests like it (more than one only of cost 1) may go on
        the same ticket: one for every `SHARE` that the minute and the month still have room for.

        Returns the ticket, the seconds after which to ask again, and how many may be sent now: 0 seconds
        where some may, None where the month is used up. What was let go counts until `lease` from now, if
        nobody says `answered`.
        """
        ...

    def settle(self, ticket: int, free_at: float) -> None:
        """Have what was let go on a ticket count until `free_at`."""
        ...

    def release(self, ticket: int, cost: int) -> None:
        """Forget what was not sent, whether it was let go or stands in line; `cost` is what it all costs."""
        ...

    def set_rate(self, per_minute: int) -> None:
        """Set what a minute allows."""
        ...

    def pause(self, now: float, until: float) -> None:
        """Let nothing go before `until`."""
        ...

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
        """Correct the month by what the source said.

        Our own count stands where it can be right: the source has counted what was answered before `since`,
        and may not have counted the others yet, but for the ticket `own`. Else the highest count that can be
        right takes its place.
        """
        ...

    def month(self, at: datetime) -> tuple[int, int | None, datetime | None]:
        """Return what of the month is used, its limit, and when it starts anew."""
        ...

    def start_stream(self, route: str, at: datetime) -> tuple[bool, datetime | None]:
        """Count a start, unless they are used up; whether it was, and else when the oldest is a day old."""
        ...

    def release_stream_start(self, route: str) -> None:
        """Forget the newest start."""
        ...

    def sync_streams(
        self, route: str, used: int | None, limit: int, *, resets_at: datetime | None, at: datetime
    ) -> None:
        """Correct the starts by what the source said; `resets_at` is when the oldest is a day old."""
        ...

    def streams(self, route: str, at: datetime) -> tuple[int, int | None]:
        """Return the starts of the last 24 hours, and how many there may be."""
        ...

    def close(self) -> None:
        """Let go of the store."""
        ...
