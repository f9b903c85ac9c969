"""The sandbox's clock, which can be moved and frozen; conversions between datetimes and microseconds."""

from datetime import UTC, datetime, timedelta
from functools import lru_cache

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SECOND = 1_000_000  # microseconds, like every time in the sandbox that is an integer
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR


def micros(at: datetime) -> int:
    """Return the microseconds from 1970 to an aware datetime, exactly."""
    return (at - EPOCH) // timedelta(microseconds=1)


@lru_cache(maxsize=1 << 12)
def iso(us: int) -> str:
    """Return microseconds since 1970 as ISO 8601 with `Z`, with six decimal places or none."""
    return (EPOCH + timedelta(microseconds=us)).isoformat().replace("+00:00", "Z")


def parse_iso(text: str) -> datetime:
    """Parse ISO 8601 to an aware UTC datetime; text without an offset is UTC. Raises ValueError."""
    at = datetime.fromisoformat(text)
    return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)


class Clock:
    """A UTC clock that follows real time until it is shifted or frozen."""

    def __init__(self, frozen_at: datetime | None = None) -> None:
        self._frozen_at = frozen_at
        self._shift = timedelta()

    @property
    def frozen(self) -> bool:
        """Whether the clock is frozen."""
        return self._frozen_at is not None

    def now(self) -> datetime:
        """Return the sandbox's current time, UTC."""
        return self._frozen_at or datetime.now(UTC) + self._shift

    def us(self) -> int:
        """Return the sandbox's current time in microseconds since 1970."""
        return micros(self.now())

    def set(self, at: datetime) -> None:
        """Freeze the clock at a time."""
        self._frozen_at = at.astimezone(UTC)

    def freeze(self) -> None:
        """Freeze the clock at its current time."""
        self._frozen_at = self.now()

    def advance(self, seconds: float) -> None:
        """Move the clock forward, or back; a frozen clock stays frozen, a running one runs on."""
        step = timedelta(seconds=seconds)
        if self._frozen_at is None:
            self._shift += step
        else:
            self._frozen_at += step

    def real(self) -> None:
        """Follow real time again."""
        self._frozen_at, self._shift = None, timedelta()
