"""How often a basket's schedule runs it: in 30 days, and at most in any 24 hours."""

from __future__ import annotations

import dataclasses
import itertools
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from pipelines.config import BasketSettings

if TYPE_CHECKING:
    from croniter import croniter

DAY: Final = timedelta(days=1)
MONTH: Final = timedelta(days=30)
RESOLUTION: Final = timedelta(seconds=1)  # of cron expressions
SECONDS: Final = 5  # the place of the seconds in a cron expression, where it has them


@dataclasses.dataclass(frozen=True, slots=True)
class RunFrequency:
    """The number of runs in 30 days, which may be a fraction, and the maximum in any 24 hours."""

    a_month: float
    a_day_at_most: int


def frequency_of_interval(interval: timedelta) -> RunFrequency:
    """Return the frequency of one run per interval."""
    return RunFrequency(MONTH / interval, -(-DAY // interval))


def frequency_of(basket: BasketSettings, now: datetime) -> RunFrequency:
    """Return a basket's frequency: of its cron expression in the 30 days from `now` (UTC), or of `every`."""
    if basket.cron is None:
        return frequency_of_interval(basket.every)
    return _frequency_of_cron(basket.cron, ZoneInfo(basket.timezone), now)


def _frequency_of_cron(cron: str, zone: ZoneInfo, start: datetime) -> RunFrequency:
    """Return the frequency of a cron expression in the 30 days from `start`.

    The times are counted by the hour, and not one by one. Like Prefect, take the expression in local time: a
    time that the change of the clock skips moves by the size of the change, and a repeated time counts once.
    """
    from croniter import croniter  # slow to import, and most schedules are intervals

    minutes, hours, *_ = fields = croniter.expand(cron)[0]
    seconds = fields[SECONDS] if len(fields) > SECONDS else [0]
    in_hour = sorted(
        60 * minute + second for minute in _numbers(minutes, 60) for second in _numbers(seconds, 60)
    )
    local = start.astimezone(zone).replace(tzinfo=None)
    days = _matching_days(croniter(cron, local - DAY), local + MONTH + DAY)
    times = (day.replace(hour=hour, tzinfo=zone) for day in days for hour in _numbers(hours, 24))
    starts = sorted({int(time.timestamp()) for time in times})
    first, last = start.timestamp(), (start + MONTH).timestamp()
    counts = [bisect_left(in_hour, last - hour) - bisect_left(in_hour, first - hour) for hour in starts]
    return RunFrequency(sum(counts), _max_in_a_day(starts, counts))


def _matching_days(schedule: croniter, end: datetime) -> Iterator[datetime]:
    """Yield the midnight of each day before `end` with a time of the schedule, in local time."""
    while (time := schedule.get_next(datetime)) < end:
        midnight = time.replace(hour=0, minute=0, second=0, microsecond=0)
        yield midnight
        schedule.set_current(midnight + DAY - RESOLUTION, force=True)


def _numbers(field: Sequence[int | str], size: int) -> Sequence[int]:
    """Return the numbers of an expanded field of a cron expression."""
    return range(size) if "*" in field else [int(number) for number in field]


def _max_in_a_day(hours: Sequence[int], counts: Sequence[int]) -> int:
    """Return the most runs in any 24 hours; `hours` are the starts (seconds) of hours with `counts` runs."""
    totals = [0, *itertools.accumulate(counts)]
    ends = (bisect_left(hours, hour + DAY.total_seconds()) for hour in hours)
    return max((totals[end] - totals[first] for first, end in enumerate(ends)), default=0)
