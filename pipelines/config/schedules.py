"""Check the schedule of a basket: its cron expression and its time zone."""

from __future__ import annotations

import difflib
import itertools
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import available_timezones

from pipelines.config.fields import SHORTEST_INTERVAL

CRON_HINT: Final = 'write five fields, such as "0 * * * *" for every hour, or "@daily"'
FIELDS_WITHOUT_SECONDS: Final = 5
START: Final = datetime(2024, 1, 1, tzinfo=UTC)  # of a year with a 29th of February
TIMES_IN_TWO_MINUTES: Final = 120  # of the densest expression, with a time each second


def check_cron(cron: str) -> str:
    """Return a cron expression, without blanks around it, that Prefect takes and that has a next time.

    Raises ValueError.
    """
    from croniter import CroniterBadDateError, croniter  # slow to import; most schedules are intervals

    cron = cron.strip()
    # Prefect takes no expression of which parts are random.
    if not croniter.is_valid(cron) or any(field[:1] in {"R", "r", "H", "h"} for field in cron.split()):
        raise ValueError(f"is no cron expression: {CRON_HINT}")
    times = croniter(cron, START)
    try:
        times.get_next(datetime)
    except CroniterBadDateError:
        raise ValueError(f"never comes: no date has this day; {CRON_HINT}") from None
    if len(cron.split()) > FIELDS_WITHOUT_SECONDS and _shortest_gap(cron) < SHORTEST_INTERVAL:
        raise ValueError(f"runs more often than every {SHORTEST_INTERVAL.seconds} s: {CRON_HINT}")
    return cron


def _shortest_gap(cron: str) -> timedelta:
    """Return the shortest time between runs within the first ones of an expression with seconds."""
    from croniter import croniter

    times = croniter(cron, START).all_next(datetime)
    moments = list(itertools.islice(times, TIMES_IN_TWO_MINUTES))
    return min((later - earlier for earlier, later in itertools.pairwise(moments)), default=SHORTEST_INTERVAL)


def check_timezone(name: str) -> str:
    """Return the name of a time zone. Raises ValueError, with the nearest name, for an unknown one."""
    if name != "UTC" and name not in available_timezones():  # a set that takes a while
        raise ValueError(f'is no time zone: write a name like "Europe/Berlin"{_suggest(name)}')
    return name


def _suggest(name: str) -> str:
    known = {zone.casefold(): zone for zone in sorted(available_timezones())}
    cities = {zone.rpartition("/")[2]: zone for zone in known}
    written = name.strip().casefold().replace(" ", "_")
    near = cities.get(written) or next(iter(difflib.get_close_matches(written, known, n=1)), None)
    return "" if near is None else f"; did you mean {known[near]}?"
