"""Numbers from outside, as counts, durations and moments: the one place of these conversions, each bounded.

`datetime` and `timedelta` raise OverflowError, which is no ValueError, for numbers that they cannot hold;
`int` and `float` read more than digits. Here a number that makes no sense is None.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import Final

MAX_COUNT: Final = 10**15
# No duration from outside, and none that a person configures, is longer: a hundred years.
LONGEST: Final = timedelta(days=36_500)
# Nobody asks for prices of an earlier time.
EARLIEST_YEAR: Final = 2000


def parse_count(text: str, most: int = MAX_COUNT) -> int | None:
    """Return a whole number from 0 to `most` in ASCII digits; None for any other text."""
    # Before the conversion, which raises ValueError for thousands of digits.
    if not text.isascii() or not text.isdecimal() or len(text) > len(str(most)):
        return None
    number = int(text)
    return number if number <= most else None


def parse_seconds(text: str) -> float | None:
    """Return a number of seconds, a negative one as 0, at most `LONGEST`; None for any other text."""
    try:
        seconds = math.nan if "_" in text else float(text)
    except ValueError:
        return None
    return min(max(seconds, 0.0), LONGEST.total_seconds()) if math.isfinite(seconds) else None


def from_unix_time(seconds: float) -> datetime | None:
    """Return a Unix time as a moment in UTC; None where it is outside of the calendar."""
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def to_utc(moment: datetime) -> datetime | None:
    """Return a moment in UTC, one without a zone as it is; None where it is outside of the calendar there."""
    try:
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except OverflowError:
        return None


def parse_moment(text: str) -> datetime | None:
    """Return an ISO 8601 time with a zone as a moment in UTC; None for any other text."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return to_utc(moment) if moment.tzinfo else None


def add(moment: datetime, length: timedelta) -> datetime | None:
    """Return the moment that is `length` after `moment`; None where it is outside of the calendar."""
    try:
        return moment + length
    except OverflowError:
        return None
