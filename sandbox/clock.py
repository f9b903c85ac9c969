"""The sandbox's clock: real, shifted or frozen, and the one way from moments to microseconds."""

from datetime import UTC, datetime, timedelta
from functools import lru_cache

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MINUTE = 60_000_000
_MICROSECOND = timedelta(microseconds=1)


def micros(moment: datetime) -> int:
    """Return microseconds since 1970 of an aware moment, exactly."""
    return (moment - EPOCH) // _MICROSECOND


def moment_of(us: int) -> datetime:
    """Return the UTC moment that lies `us` microseconds after 1970."""
    return EPOCH + timedelta(microseconds=us)


@lru_cache(maxsize=1 << 12)
def iso(us: int) -> str:
    """ISO 8601 with `Z`; whole seconds where there is no fraction, six places otherwise."""
    return moment_of(us).isoformat().replace("+00:00", "Z")


def parse_iso(text: str) -> datetime:
    """Return an aware UTC moment from ISO 8601; without an offset it is taken as UTC. Raises ValueError."""
    moment = datetime.fromisoformat(text)
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


class Clock:
    """Tells UTC. It follows the real time until it is shifted or frozen."""

    def __init__(self, frozen_at: datetime | None = None) -> None:
        self._frozen = frozen_at
        self._shift = timedelta()

    @property
    def frozen(self) -> bool:
        """Whether time stands still."""
        return self._frozen is not None

    def now(self) -> datetime:
        """Return the sandbox's present moment, UTC."""
        return self._frozen or datetime.now(UTC) + self._shift

    def us(self) -> int:
        """Return the present moment in microseconds since 1970."""
        return micros(self.now())

    def set(self, moment: datetime) -> None:
        """Freeze the clock at a moment."""
        self._frozen = moment.astimezone(UTC)

    def freeze(self) -> None:
        """Stop the clock where it is."""
        self._frozen = self.now()

    def advance(self, seconds: float) -> None:
        """Go forward (or back); a frozen clock stays frozen, a running one runs on."""
        step = timedelta(seconds=seconds)
        if self._frozen is None:
            self._shift += step
        else:
            self._frozen += step

    def real(self) -> None:
        """Follow the real time again."""
        self._frozen, self._shift = None, timedelta()
