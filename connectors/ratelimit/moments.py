"""A moment by the ledger's clock: that of the machine, or that of the database which machines share."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final, NamedTuple

EPOCH: Final = datetime.fromtimestamp(0, UTC)


class Moment(NamedTuple):
    """A time in seconds of the ledger's clock, and in UTC; `shift` is the lead of that clock before ours.

    The clock is the monotonic one of the machine, or that of the database which several machines share: then
    the clocks of the machines may differ by any amount.
    """

    now: float
    at: datetime
    shift: float

    @staticmethod
    def of(seconds: float | None, now: float, at: datetime) -> Moment:
        """Return the moment at which the database's clock has `seconds`, and our own `now` and `at`."""
        if seconds is None:
            return Moment(now, at, 0.0)
        return Moment(seconds, datetime.fromtimestamp(seconds, UTC), seconds - now)
