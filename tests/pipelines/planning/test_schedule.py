"""How often a basket runs: by its interval, or by its cron expression in its time zone."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import tracemalloc
from bisect import bisect_left
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from prefect.server.schemas.schedules import CronSchedule

from pipelines.config import BasketSettings
from pipelines.planning.schedule import DAY, MONTH, RunFrequency, frequency_of
from tests.support.clocks import NOON

DAYS = ("sun", "MON", "tue", "wed", "thu", "FRI", "sat")
ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Australia/Sydney", "Asia/Kathmandu")


def basket(**fields: Any) -> BasketSettings:
    return BasketSettings(name="core", source="cs2cap", items=("all",), **fields)


@pytest.mark.parametrize(
    ("fields", "a_month", "a_day"),
    [
        ({"every": "10m"}, 4320, 144),
        ({"every": timedelta(minutes=7)}, 43_200 / 7, 206),
        ({"every": "7d"}, 30 / 7, 1),
        ({"cron": "*/10 * * * *"}, 4320, 144),
        ({"cron": "0 9-17 * * 1-5", "timezone": "Europe/Berlin"}, 22 * 9, 9),
        ({"cron": "0 4 1 * *"}, 1, 1),
    ],
)
def test_frequency_counts_runs_in_thirty_days_and_at_most_in_one(
    fields: dict[str, Any], a_month: float, a_day: int
) -> None:
    frequency = frequency_of(basket(**fields), NOON)
    assert frequency.a_month == pytest.approx(a_month)
    assert frequency.a_day_at_most == a_day


@pytest.mark.parametrize(
    ("cron", "start", "a_month", "a_day"),
    [
        pytest.param("* * * * *", datetime(2026, 6, 1, 12, 0, 30, tzinfo=UTC), 43_200, 1440, id="minutes"),
        pytest.param("* * * * *", datetime(2026, 10, 20, tzinfo=UTC), 43_140, 1440, id="repeated hour"),
        pytest.param("* * * * *", datetime(2026, 3, 20, tzinfo=UTC), 43_200, 1440, id="skipped hour"),
        pytest.param("* * * * * */10", NOON, 259_200, 8640, id="every ten seconds"),
        pytest.param("30 2 * * *", datetime(2026, 3, 20, tzinfo=UTC), 30, 2, id="skipped time"),
        pytest.param("30 2 * * *", datetime(2026, 10, 20, tzinfo=UTC), 30, 1, id="repeated time"),
        pytest.param("0 2,3 29 * *", datetime(2026, 3, 20, tzinfo=UTC), 1, 1, id="two times become one"),
        pytest.param("0 0 1 1 *", NOON, 0, 0, id="no time in the month"),
        pytest.param("@hourly", NOON, 720, 24, id="alias"),
        pytest.param("0 9 * * fri#2", NOON, 1, 1, id="second Friday"),
        pytest.param("59 23 l * *", NOON, 1, 1, id="last day of the month"),
    ],
)
def test_cron_schedule_is_counted_with_the_changes_of_the_clock(
    cron: str, start: datetime, a_month: int, a_day: int
) -> None:
    frequency = frequency_of(basket(cron=cron, timezone="Europe/Berlin"), start)
    assert frequency == RunFrequency(a_month, a_day)


def test_cron_schedule_of_seconds_is_counted_without_its_times() -> None:
    """A quarter of a million times would take many seconds and megabytes."""
    tracemalloc.start()
    try:
        frequency = frequency_of(basket(cron="* * * * * */10"), NOON)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert frequency == RunFrequency(259_200, 8640)
    assert most < 2**22


def list_of(first: int, last: int) -> st.SearchStrategy[str]:
    numbers = st.lists(st.integers(first, last), min_size=1, max_size=3)
    return numbers.map(lambda chosen: ",".join(map(str, chosen)))


HOURS = st.one_of(st.just("*"), list_of(0, 23), st.integers(2, 12).map(lambda step: f"*/{step}"))
DAYS_OF_MONTH = st.one_of(st.just("*"), list_of(1, 28))
DAYS_OF_WEEK = st.one_of(
    st.just("*"),
    list_of(0, 7),
    st.sampled_from(DAYS),
    st.tuples(st.sampled_from(DAYS), st.sampled_from(DAYS)).map("-".join),
)


def has_skipped_hour(start: datetime, end: datetime, zone: str) -> bool:
    offsets = [
        time.astimezone(ZoneInfo(zone)).utcoffset() or timedelta() for time in (start - DAY, end + DAY)
    ]
    return offsets[0] < offsets[1]


def count_times(times: Sequence[datetime]) -> RunFrequency:
    """Return the number of times, and the most of them in any window of 24 hours that begins with a time."""
    ends = (bisect_left(times, first + DAY) for first in times)
    return RunFrequency(len(times), max((end - at for at, end in enumerate(ends)), default=0))


@pytest.mark.slow
@given(
    minute=st.integers(0, 59),
    hours=HOURS,
    days_of_month=DAYS_OF_MONTH,
    days_of_week=DAYS_OF_WEEK,
    zone=st.sampled_from(ZONES),
    start=st.integers(0, 365 * 24).map(lambda hour: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=hour)),
)
@settings(max_examples=100, deadline=None)
def test_frequency_counts_the_times_of_prefect(
    minute: int, hours: str, days_of_month: str, days_of_week: str, zone: str, start: datetime
) -> None:
    """Leave out months with a skipped hour: Prefect moves its times by the version of Python."""
    cron, end = f"{minute} {hours} {days_of_month} * {days_of_week}", start + MONTH
    assume(not has_skipped_hour(start, end, zone))
    schedule = CronSchedule(cron=cron, timezone=zone)
    dates = asyncio.run(schedule.get_dates(n=1000, start=start, end=end - timedelta(seconds=1)))
    expected = sorted(datetime.fromtimestamp(date.timestamp(), UTC) for date in dates)
    assert frequency_of(basket(cron=cron, timezone=zone), start) == count_times(expected)


def test_cron_schedule_is_evaluated_without_prefect() -> None:
    program = """if True:
        import sys
        from datetime import UTC, datetime
        from pipelines.config import BasketSettings
        from pipelines.planning.schedule import frequency_of
        basket = BasketSettings(name="core", source="cs2cap", items=("all",), cron="0 4 * * *")
        frequency = frequency_of(basket, datetime(2026, 1, 1, tzinfo=UTC))
        print(frequency.a_month, "prefect" in sys.modules)"""
    command = [sys.executable, "-c", program]
    assert subprocess.check_output(command, text=True).split() == ["30", "False"]
