"""How often a basket's schedule runs it: in 30 days, and at most in any 24 hours."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from common.errors import ConfigError
from pipelines.config import BasketSettings

DAY = timedelta(days=1)
MONTH = timedelta(days=30)


@dataclasses.dataclass(frozen=True, slots=True)
class RunFrequency:
    """The number of runs in 30 days, which may be a fraction, and the maximum in any 24 hours."""

    a_month: float
    a_day_at_most: int


def frequency_of_interval(interval: timedelta) -> RunFrequency:
    """Return the frequency of one run per interval."""
    return RunFrequency(MONTH / interval, -(-DAY // interval))


def frequency_of(basket: BasketSettings, now: datetime) -> RunFrequency:
    """Return a basket's frequency: of its cron expression in the 30 days from `now` (UTC), or of `every`.

    Raises ConfigError for an invalid cron expression or an unknown time zone.
    """
    if basket.cron is None:
        return frequency_of_interval(basket.every)
    try:
        times = scheduled_times(basket.cron, basket.timezone, now, now + MONTH)
    except (ValueError, KeyError, OSError) as error:
        raise ConfigError(f"basket {basket.name}: its schedule does not work: {error}") from None
    return RunFrequency(len(times), _max_within(times, DAY))


def scheduled_times(cron: str, timezone: str, start: datetime, end: datetime) -> list[datetime]:
    """Return the times (UTC) in [start, end) at which Prefect starts a run by a cron expression.

    Like Prefect, evaluate the expression in local time that knows no daylight saving: a time that the change
    of the clock skips moves by the size of the change, and a repeated time counts once. Raises ValueError,
    KeyError or OSError.
    """
    zone = ZoneInfo(timezone)
    times: set[datetime] = set()
    for local in _local_times(cron, start.astimezone(zone).replace(tzinfo=None)):
        time = local.replace(tzinfo=zone).astimezone(UTC)
        if time >= end:
            return sorted(times)
        if time >= start:
            times.add(time)
    return sorted(times)


def _local_times(cron: str, start: datetime) -> Iterator[datetime]:
    from croniter import croniter  # slow to import, and most schedules are intervals

    # croniter starts after the given time
    yield from croniter(cron, start - timedelta(seconds=1)).all_next(datetime)


def _max_within(times: Sequence[datetime], span: timedelta) -> int:
    """Return the maximum number of sorted `times` in any window of length `span`."""
    most, first = 0, 0
    for last, time in enumerate(times):
        while time - times[first] >= span:
            first += 1
        most = max(most, last - first + 1)
    return most
