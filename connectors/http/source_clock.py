"""The clock of a source, compared with our own: both may be wrong, and neither may freeze anything."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from common.clock import Clock, bound_moment, is_ahead
from connectors.http.headers import parse_http_date


class SourceClock:
    """What the responses of a source say about its clock, compared with ours, `clock`.

    `skew` is how far the source's clock was ahead of ours (negative: behind), at the most; None until the
    source reported a time.
    """

    def __init__(self, clock: Clock) -> None:
        self.skew: timedelta | None = None
        self._clock = clock

    def observe(self, headers: Mapping[str, str]) -> None:
        """Compare the clocks by the headers of a response that arrives now."""
        date = parse_http_date(headers.get("date"))
        if date is not None:
            self._keep(date - self._clock.now())

    def read(self, headers: Mapping[str, str]) -> datetime:
        """Return the source's time (UTC) by the headers of a response, bounded; without one our own time."""
        now = self._clock.now()
        return bound_moment(parse_http_date(headers.get("date")) or now, now)

    def is_ahead(self, moment: datetime) -> bool:
        """Tell whether a time inside of a response (UTC) is later than our clock allows.

        A time in the past says nothing of the source's clock: it may be that of an older state.
        """
        now = self._clock.now()
        self._keep(max(moment - now, timedelta()))
        return is_ahead(moment, now)

    def _keep(self, skew: timedelta) -> None:
        self.skew = max(self.skew or timedelta(), skew, key=abs)
