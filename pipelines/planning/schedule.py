"""How often a basket's schedule runs it: in 30 days, and at most in any 24 hours."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from datetime import datetime, timedelta
from importlib import import_module
from zoneinfo import ZoneInfo

from common.errors import ConfigError
from pipelines.config import BasketSettings

DAY = timedelta(days=1)
MONTH = timedelta(days=30)
TICK = timedelta(seconds=1)


@dataclasses.dataclass(frozen=True, slots=True)
class RunFrequency:
    """Runs in 30 days, which may be a fraction, and the most that any 24 hours hold."""

    a_month: float
    a_day_at_most: int


def frequency_of_interval(interval: timedelta) -> RunFrequency:
    """The rhythm of one run an interval."""
    return RunFrequency(MONTH / interval, -(-DAY // interval))


def frequency_of(basket: BasketSettings, now: datetime) -> RunFrequency:
    """The rhythm of a basket: of its cron line over the 30 days from `now` (UTC), or of its interval.

    Raises ConfigError for a cron line or a time zone that does not exist.
    """
    if basket.cron is None:
        return frequency_of_interval(basket.every)
    ticks = _scheduled_times(basket, now)
    return RunFrequency(len(ticks), _max_within(ticks, DAY))


def _scheduled_times(basket: BasketSettings, now: datetime) -> list[datetime]:
    # Prefect's own, by which the basket will run; slow to import
    cron = import_module("prefect._vendor.croniter")
    try:
        dates = cron.croniter(basket.cron, (now - TICK).astimezone(ZoneInfo(basket.timezone)))
        ticks = [dates.get_next(datetime)]
        while ticks[-1] < now + MONTH:
            ticks.append(dates.get_next(datetime))
    except (ValueError, KeyError, OSError) as error:
        raise ConfigError(f"basket {basket.name}: its schedule does not work: {error}") from None
    return ticks[:-1]


def _max_within(ticks: Sequence[datetime], span: timedelta) -> int:
    most, first = 0, 0
    for last, tick in enumerate(ticks):
        while tick - ticks[first] >= span:
            first += 1
        most = max(most, last - first + 1)
    return most
